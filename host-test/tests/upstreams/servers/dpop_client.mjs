// Sends requests with a token that is bound to a key, through an OAuth client that makes the proofs: dpop_client.mjs URL TOKEN KEY. KEY
// is the private key, a JWK. Prints what became of each request, a JSON array a line: what it is, the status, the reason.
// Found beside the installed packages, not beside this file.
const client = await import(process.env.OPENID_CLIENT);

const [url, token, key] = process.argv.slice(2);
const config = new client.Configuration({ issuer: "https://idp.example" }, "tests");
// The test has no TLS.
client.allowInsecureRequests(config);

const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const { d: _, ...publicKey } = JSON.parse(key);
const own = client.getDPoPHandle(config, {
  privateKey: await crypto.subtle.importKey("jwk", JSON.parse(key), algorithm, false, ["sign"]),
  publicKey: await crypto.subtle.importKey("jwk", publicKey, algorithm, true, ["verify"]),
});
// Whoever has the token has no key that goes with it.
const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));

async function send(what, DPoP, method = "GET", query = "") {
  const headers = new Headers({ "x-test-upstream": "starlette", "x-test-request": `javascript ${what}` });
  let response;
  try {
    response = await client.fetchProtectedResource(config, token, new URL(url + query), method, null, headers, { DPoP });
  } catch (error) {
    // What the library makes of a challenge.
    response = error.response;
    if (!response) throw error;
  }
  const reason = response.status === 200 ? "" : (await response.json()).code;
  console.log(JSON.stringify([what, response.status, reason]));
}

await send("stolen, as a bearer token", undefined);
await send("stolen, with another key", thief);
await send("first", own);
await send("second", own);
await send("with a query", own, "GET", "?page=2");
await send("post", own, "POST");
process.exit(0);
