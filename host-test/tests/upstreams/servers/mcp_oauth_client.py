"""Uses an MCP server through the official client, which gets its tokens by itself: mcp_oauth_client.py URL MODE CONSENT... The person
says `yes` or `no` each time that they are asked. Prints what its user sees, a JSON array a call."""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

url, mode, *consents = sys.argv[1:]


class Person:
    async def redirect(self, address):
        consent = consents.pop(0) if consents else "no"
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(f"{address}&consent={consent}")
        self.answer = parse_qs(urlsplit(answer.headers["location"]).query)

    async def callback(self):
        answer = {name: value for name, [value] in self.answer.items()}
        return AuthorizationCodeResult(code=answer.get("code", ""), state=answer["state"])


class Storage:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def innermost(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


async def main():
    person = Person()
    redirects = ["http://127.0.0.1:1/callback"]
    about = OAuthClientMetadata(client_name="tests", redirect_uris=redirects, token_endpoint_auth_method="none")
    provider = OAuthClientProvider(url, about, Storage(), person.redirect, person.callback)
    # The person may be asked in the middle of a call.
    http = httpx2.AsyncClient(auth=provider, headers={"x-test-upstream": "mcp"}, timeout=60)
    try:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            for what, arguments in [
                ("tickets.list", {}), ("tickets.close", {"id": 7}), ("payments.send", {"amount": 1}), ("tickets.list", {}),
            ]:
                try:
                    result = await client.call_tool(what, arguments)
                    print(json.dumps([what, "error" if result.is_error else "done", str(result.content)]))
                except Exception as error:
                    print(json.dumps([what, "denied", innermost(error)]))
    except BaseException as error:
        print(json.dumps(["session", "denied", innermost(error)]))


asyncio.run(main())
