"""A Flask application, with the middlewares that are common behind a proxy."""

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

import record

app = Flask(__name__)


def answer(handler):
    headers = {name.lower(): value for name, value in request.headers.items()}
    record.ran(
        handler, headers, host=request.host, mount=request.script_root, user=request.remote_user, method=request.method
    )
    return {"handler": handler}


app.add_url_rule("/healthz", "health", lambda: answer("health"))
app.add_url_rule("/healthz/<path:rest>", "health below", lambda rest: answer("health"))
app.add_url_rule("/v1/payments", "payments", lambda: answer("payments"))
app.add_url_rule("/v1/whoami", "whoami", lambda: answer("whoami"))
app.add_url_rule("/reports", "reports", lambda: answer("reports"), methods=["GET"])
for octet in record.PLAIN:
    app.add_url_rule(
        f"/a2a/message{octet}send", f"send {octet}", lambda octet=octet: answer(f"send {octet}"), methods=["POST"]
    )
app.add_url_rule("/a2a/<path:rest>", "a2a", lambda rest: answer("a2a"), methods=["POST"])


class ReverseProxied:
    """What is copied among applications, so that they can be mounted below a path."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        mount = environ.get("HTTP_X_SCRIPT_NAME") or environ.get("HTTP_X_FORWARDED_PREFIX")
        if mount and environ["PATH_INFO"].startswith(mount):
            environ["SCRIPT_NAME"] = mount
            environ["PATH_INFO"] = environ["PATH_INFO"][len(mount) :]
        return self.app(environ, start_response)


class Rewritten:
    """What applications do that also run behind IIS."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        path = environ.get("HTTP_X_ORIGINAL_URL") or environ.get("HTTP_X_REWRITE_URL")
        if path:
            environ["PATH_INFO"] = path
        return self.app(environ, start_response)


app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
app.wsgi_app = Rewritten(ReverseProxied(app.wsgi_app))
