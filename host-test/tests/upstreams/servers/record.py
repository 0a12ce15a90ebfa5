"""Writes down which handler ran, and what it saw: one JSON object a line, before the answer goes out."""

import json
import os

_file = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def ran(handler, headers, **more):
    """`headers` has lower-case names."""
    headers = dict(headers)
    line = {
        "request": headers.get("x-test-request"),
        "handler": handler,
        "principal": headers.get("x-mandate-principal"),
        "agent": headers.get("x-mandate-agent"),
        "headers": headers,
        **more,
    }
    os.write(_file, (json.dumps(line) + "\n").encode())


def listening(port):
    """Tells the test where the server listens; the name appears when the port is in the file."""
    path = os.environ["PORT"]
    with open(path + ".new", "w") as file:
        file.write(str(port))
    os.rename(path + ".new", path)


# Each of them stands plain in a segment (RFC 3986 §3.3), so a client may also encode it.
PLAIN = "!$&'()*+,=:@"
