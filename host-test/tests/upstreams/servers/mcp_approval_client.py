"""Calls a tool that somebody must approve: mcp_approval_client.py URL TOKEN MODE MANDATE KEY. Prints what its user sees, a JSON array a call."""

import asyncio
import json
import subprocess
import sys
import tempfile

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

url, token, mode, mandate, key = sys.argv[1:]


# docs/approvals.md shows this function.
async def call_with_approval(client, http, tool, arguments, approve):
    try:
        return await client.call_tool(tool, arguments)
    except MCPError as error:
        problem = error.data if isinstance(error.data, dict) else {}
        if problem.get("code") != "approval_required" or "approval" not in problem:
            raise
    approval = await approve(problem["approval"], arguments)
    http.headers["mandate-approval"] = approval
    try:
        return await client.call_tool(tool, arguments)
    finally:
        del http.headers["mandate-approval"]


async def desk(asked, arguments):
    """Who approves: here a person with a key, who knows whose agent it is."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(arguments, file)
        file.flush()
        command = [mandate, "approve", "-", "--yes", "--key", key, "--issuer", "https://approve.example"]
        command += ["--audience", "https://gate.example", "--token-issuer", "https://idp.example"]
        command += ["--principal", "user:alice", "--agent", "agent:1", "--arguments", file.name]
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return done.stdout.strip()


async def main():
    http = httpx2.AsyncClient(headers={"authorization": f"Bearer {token}", "x-test-upstream": "mcp"}, timeout=60)
    used = []

    async def keep(asked, arguments):
        used.append(await desk(asked, arguments))
        return used[-1]

    async def again(asked, arguments):
        return used[-1]

    async def nobody(asked, arguments):
        raise RuntimeError("nobody approved " + asked["action"]["name"])

    async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
        small, large = {"id": 7, "env": "staging"}, {"id": 8, "env": "staging"}
        for what, arguments, approve in [
            ("nobody", small, nobody),
            ("approved", small, keep),
            ("again", small, again),
            ("other arguments", large, again),
            ("approved anew", large, keep),
        ]:
            try:
                result = await call_with_approval(client, http, "tickets.close", arguments, approve)
                print(json.dumps([what, "error" if result.is_error else "done", str(result)]))
            except Exception as error:
                print(json.dumps([what, "denied", str(error)]))


asyncio.run(main())
