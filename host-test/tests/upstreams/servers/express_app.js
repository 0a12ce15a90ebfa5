// An Express application: express_app.js insensitive|sensitive, which is how it reads the case of paths.
// Found beside the installed packages, not beside this file.
const express = require(process.env.EXPRESS);
const fs = require("node:fs");

const app = express();
app.set("case sensitive routing", process.argv[2] === "sensitive");

function handler(name) {
  return (request, response) => {
    const { headers } = request;
    const line = {
      request: headers["x-test-request"],
      handler: name,
      principal: headers["x-mandate-principal"],
      agent: headers["x-mandate-agent"],
    };
    fs.appendFileSync(process.env.RECORD, JSON.stringify(line) + "\n");
    response.json({ handler: name });
  };
}

app.get("/v1/payments", handler("payments"));
app.get("/v1/*rest", handler("other"));

const server = app.listen(0, "127.0.0.1", () => {
  fs.writeFileSync(process.env.PORT + ".new", String(server.address().port));
  fs.renameSync(process.env.PORT + ".new", process.env.PORT);
});
