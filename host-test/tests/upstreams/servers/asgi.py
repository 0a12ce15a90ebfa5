"""Serves the ASGI application of a module with uvicorn: asgi.py MODULE"""

import importlib
import socket
import sys

import uvicorn

import record

app = importlib.import_module(sys.argv[1]).app
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
# From now on connections wait in the backlog.
record.listening(listener.getsockname()[1])
uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", timeout_graceful_shutdown=1)).run(sockets=[listener])
