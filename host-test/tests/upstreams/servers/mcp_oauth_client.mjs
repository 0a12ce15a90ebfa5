// Uses an MCP server through the official client, which gets its tokens by itself: mcp_oauth_client.mjs URL MODE CONSENT... The person
// says `yes` or `no` each time that they are asked. Prints what its user sees, a JSON array a call.
const { Client, StreamableHTTPClientTransport } = await import(process.env.MCP_CLIENT);

const [url, mode, ...consents] = process.argv.slice(2);
const redirect = "http://127.0.0.1:1/callback";
const stored = {};
let answer;

const provider = {
  redirectUrl: redirect,
  clientMetadata: { client_name: "tests", redirect_uris: [redirect], token_endpoint_auth_method: "none" },
  clientInformation: () => stored.client,
  saveClientInformation: (client) => (stored.client = client),
  tokens: () => stored.tokens,
  saveTokens: (tokens) => (stored.tokens = tokens),
  codeVerifier: () => stored.verifier,
  saveCodeVerifier: (verifier) => (stored.verifier = verifier),
  async redirectToAuthorization(address) {
    address.searchParams.set("consent", consents.shift() ?? "no");
    const response = await fetch(address, { redirect: "manual" });
    answer = new URL(response.headers.get("location")).searchParams;
  },
};

let client, transport;

async function connect() {
  client = new Client(
    { name: "tests", version: "1" },
    mode === "auto" ? { versionNegotiation: { mode: "auto" } } : {},
  );
  const requestInit = { headers: { "x-test-upstream": "mcp" } };
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, requestInit });
  await client.connect(transport);
  return {};
}

// Tries again what failed because the person had to be asked first.
async function withConsent(what) {
  try {
    return await what();
  } catch (error) {
    if (answer === undefined) throw error;
    const given = answer;
    answer = undefined;
    await transport.finishAuth(given);
    return what();
  }
}

const tool = (name, args) => () => client.callTool({ name, arguments: args });
for (const [what, call] of [
  ["session", connect],
  ["tickets.list", tool("tickets.list", {})],
  ["tickets.close", tool("tickets.close", { id: 7 })],
  ["payments.send", tool("payments.send", { amount: 1 })],
  ["tickets.list", tool("tickets.list", {})],
]) {
  try {
    const result = await withConsent(call);
    if (what !== "session") {
      console.log(JSON.stringify([what, result.isError ? "error" : "done", JSON.stringify(result)]));
    }
  } catch (error) {
    console.log(JSON.stringify([what, "denied", `${error.message} ${JSON.stringify(error.data ?? null)}`]));
    if (what === "session") break;
  }
}
process.exit(0);
