// Uses an MCP server through the official client: mcp_client.mjs URL TOKEN MODE. Prints what its user sees, a JSON array a call.
// Found beside the installed packages, not beside this file.
const { Client, StreamableHTTPClientTransport } = await import(process.env.MCP_CLIENT);

const [url, token, mode] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}`, "x-test-upstream": "mcp" };
const client = new Client(
  { name: "tests", version: "1" },
  mode === "auto" ? { versionNegotiation: { mode: "auto" } } : {},
);
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));

const tool = (name, args) => () => client.callTool({ name, arguments: args });
for (const [what, call] of [
  ["list", () => client.listTools()],
  ["tickets.list", tool("tickets.list", {})],
  ["tickets.close staging", tool("tickets.close", { id: 7, env: "staging" })],
  ["tickets.close production", tool("tickets.close", { id: 7, env: "production" })],
  ["payments.send", tool("payments.send", { amount: 1 })],
  ["ticket://7", () => client.readResource({ uri: "ticket://7" })],
  ["secret://7", () => client.readResource({ uri: "secret://7" })],
  ["after", tool("tickets.list", {})],
]) {
  try {
    const result = await call();
    console.log(JSON.stringify([what, result.isError ? "error" : "done", JSON.stringify(result)]));
  } catch (error) {
    console.log(JSON.stringify([what, "denied", `${error.message} ${JSON.stringify(error.data ?? null)}`]));
  }
}
process.exit(0);
