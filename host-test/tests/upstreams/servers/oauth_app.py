"""An OAuth authorization server: metadata (RFC 8414), registration (RFC 7591), codes with PKCE (RFC 7636), access tokens (RFC 9068)
for the resource that is asked for (RFC 8707). The person who is asked for consent is whoever adds `consent` to the address."""

import base64
import hashlib
import json
import secrets
import time
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

import record

key = ec.generate_private_key(ec.SECP256R1())
codes = {}


def ran(what):
    record.ran(what, {"x-test-request": "oauth"})


def issuer(request):
    return str(request.base_url).rstrip("/")


async def metadata(request):
    ran("metadata")
    own = issuer(request)
    return JSONResponse({
        "issuer": own,
        "authorization_endpoint": f"{own}/authorize",
        "token_endpoint": f"{own}/token",
        "registration_endpoint": f"{own}/register",
        "jwks_uri": f"{own}/jwks.json",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
    })


async def register(request):
    ran("register")
    asked = await request.json()
    return JSONResponse({**asked, "client_id": "client-1", "token_endpoint_auth_method": "none"}, 201)


async def authorize(request):
    asked = dict(request.query_params)
    ran(f"authorize {asked['scope']}")
    answer = {"error": "access_denied"}
    if asked.get("consent") == "yes":
        code = secrets.token_urlsafe()
        codes[code] = asked
        answer = {"code": code}
    if "state" in asked:
        answer["state"] = asked["state"]
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)


async def token(request):
    form = await request.form()
    asked = codes.pop(form.get("code"), None)
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if asked is None or challenge != asked["code_challenge"] or form.get("resource") != asked["resource"]:
        return JSONResponse({"error": "invalid_grant"}, 400)
    now = int(time.time())
    claims = {
        "iss": issuer(request), "sub": "user:alice", "aud": asked["resource"], "client_id": form["client_id"],
        "scope": asked["scope"], "jti": secrets.token_urlsafe(), "iat": now, "exp": now + 300,
    }
    access = jwt.encode(claims, key, algorithm="ES256", headers={"typ": "at+jwt", "kid": "1"})
    ran(f"token {asked['scope']}")
    return JSONResponse({"access_token": access, "token_type": "Bearer", "expires_in": 300, "scope": asked["scope"]})


async def keys(request):
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return JSONResponse({"keys": [{**jwk, "kid": "1", "alg": "ES256", "use": "sig"}]})


app = Starlette(routes=[
    Route("/.well-known/oauth-authorization-server", metadata),
    Route("/register", register, methods=["POST"]),
    Route("/authorize", authorize),
    Route("/token", token, methods=["POST"]),
    Route("/jwks.json", keys),
])
