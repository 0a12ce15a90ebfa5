"""A Starlette application with a WebSocket."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

import record


def handler(name):
    async def answer(request):
        record.ran(name, request.headers.items(), method=request.method)
        return JSONResponse({"handler": name})

    return answer


async def talk(websocket):
    record.ran("socket", websocket.headers.items())
    await websocket.accept()
    await websocket.close()


app = Starlette(
    routes=[
        Route("/healthz/{rest:path}", handler("health")),
        Route("/v1/payments", handler("payments")),
        Route("/v1/whoami", handler("whoami")),
        Route("/v1/dpop", handler("dpop"), methods=["GET", "POST"]),
        Route("/reports", handler("reports"), methods=["GET"]),
        *(Route(f"/a2a/message{octet}send", handler(f"send {octet}"), methods=["POST"]) for octet in record.PLAIN),
        Route("/a2a/{rest:path}", handler("a2a"), methods=["POST"]),
        WebSocketRoute("/v1/socket", talk),
    ]
)
