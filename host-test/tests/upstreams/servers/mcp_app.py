"""The official MCP server with tools, resources and prompts that write down that they ran."""

from mcp.server.mcpserver import MCPServer

import record

server = MCPServer("tickets")


def ran(what):
    record.ran(what, {"x-test-request": "mcp"})


@server.tool(name="tickets.list")
def list_tickets(text: str = "") -> str:
    ran(f"tickets.list {len(text)}")
    return "x" * 500_000 if text == "much" else "1, 2, 3"


@server.tool(name="tickets.close")
def close_ticket(id: int, env: str = "staging") -> str:
    ran(f"tickets.close {env}")
    return f"closed {id}"


@server.tool(name="payments.send")
def send_payment(amount: int) -> str:
    ran("payments.send")
    return "sent"


@server.resource("ticket://7")
def ticket() -> str:
    ran("ticket://7")
    return "seven"


@server.resource("secret://7")
def secret() -> str:
    ran("secret://7")
    return "secret"


@server.prompt(name="greet")
def greet() -> str:
    ran("greet")
    return "hello"


@server.prompt(name="other")
def other() -> str:
    ran("other")
    return "other"


app = server.streamable_http_app()
