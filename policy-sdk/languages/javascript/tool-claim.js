// Only the tools that the token names: its claim `tools` is an array of them.

const PREFIX = "/v1/tools/";

export function describe() {
  return {
    name: "tool-claim",
    version: "0.1.0",
    summary: "denies tools that the token does not name",
  };
}

// A `result` returns its `ok` and throws its `err`.
export function configure(settings) {
  if (settings !== "{}") {
    throw [{ pointer: "", message: "this policy takes no settings" }];
  }
}

export function check(request) {
  const path = request.path();
  if (!path.startsWith(PREFIX)) {
    return { tag: "abstain" };
  }
  const [tool] = path.slice(PREFIX.length).split("/", 1);
  if (request.agent() === undefined) {
    return deny("agent_missing", "only agents use tools");
  }
  if (!isNamed(request, tool)) {
    return deny("tool_not_allowed", "the token does not name this tool");
  }
  return { tag: "allow", val: [{ tag: "audit", val: { name: "tool", value: tool } }] };
}

function deny(code, message) {
  return { tag: "deny", val: { code, message } };
}

function isNamed(request, tool) {
  const claim = request.claim("/tools");
  // An object may have a member `0`, too.
  const length = claim?.tag === "array" ? claim.val : 0;
  for (let index = 0; index < length; index++) {
    const named = request.claim(`/tools/${index}`);
    if (named?.tag === "text" && named.val === tool) {
      return true;
    }
  }
  return false;
}
