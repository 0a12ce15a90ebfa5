"""Only the tools that the token names: its claim `tools` is an array of them."""

from componentize_py_types import Err
from wit_world.imports.request import Claim_Array, Claim_Text, Request
from wit_world.imports.types import (
    Denial,
    Description,
    Field,
    Obligation_Audit,
    Problem,
    Verdict,
    Verdict_Abstain,
    Verdict_Allow,
    Verdict_Deny,
)

PREFIX = "/v1/tools/"


class WitWorld:
    def describe(self) -> Description:
        return Description("tool-claim", "0.1.0", "denies tools that the token does not name")

    def configure(self, settings: str) -> None:
        if settings != "{}":
            raise Err([Problem("", "this policy takes no settings")])

    # The request is lent for the call, and given back by the bindings: no `with`.
    def check(self, request: Request) -> Verdict:
        path = request.path()
        if not path.startswith(PREFIX):
            return Verdict_Abstain()
        tool = path.removeprefix(PREFIX).split("/", 1)[0]
        if request.agent() is None:
            return Verdict_Deny(Denial("agent_missing", "only agents use tools"))
        if not is_named(request, tool):
            return Verdict_Deny(Denial("tool_not_allowed", "the token does not name this tool"))
        return Verdict_Allow([Obligation_Audit(Field("tool", tool))])


def is_named(request: Request, tool: str) -> bool:
    claim = request.claim("/tools")
    # An object may have a member `0`, too.
    length = claim.value if isinstance(claim, Claim_Array) else 0
    return any(request.claim(f"/tools/{index}") == Claim_Text(tool) for index in range(length))
