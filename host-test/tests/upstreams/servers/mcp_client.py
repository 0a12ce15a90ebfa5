"""Uses an MCP server through the official client: mcp_client.py URL TOKEN MODE. Prints what its user sees, a JSON array a call."""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

url, token, mode = sys.argv[1:]


async def main():
    http = httpx2.AsyncClient(headers={"authorization": f"Bearer {token}", "x-test-upstream": "mcp"}, timeout=60)
    async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
        for what, call in [
            ("list", client.list_tools),
            ("tickets.list", lambda: client.call_tool("tickets.list", {})),
            ("tickets.list up", lambda: client.call_tool("tickets.list", {"text": "x" * 3_000_000})),
            ("tickets.list down", lambda: client.call_tool("tickets.list", {"text": "much"})),
            ("tickets.close staging", lambda: client.call_tool("tickets.close", {"id": 7, "env": "staging"})),
            ("tickets.close production", lambda: client.call_tool("tickets.close", {"id": 7, "env": "production"})),
            ("payments.send", lambda: client.call_tool("payments.send", {"amount": 1})),
            ("ticket://7", lambda: client.read_resource("ticket://7")),
            ("secret://7", lambda: client.read_resource("secret://7")),
            ("greet", lambda: client.get_prompt("greet")),
            ("other", lambda: client.get_prompt("other")),
            ("after", lambda: client.call_tool("tickets.list", {})),
        ]:
            try:
                result = await call()
                failed = getattr(result, "is_error", False)
                said = ", ".join(tool.name for tool in result.tools) if what == "list" else str(len(str(result)))
                print(json.dumps([what, "error" if failed else "done", said]))
            except Exception as error:
                print(json.dumps([what, "denied", str(error)]))


asyncio.run(main())
