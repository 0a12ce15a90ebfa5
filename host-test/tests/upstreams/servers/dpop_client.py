"""Sends requests with a token that is bound to a key, through an OAuth client that makes the proofs: dpop_client.py URL TOKEN KEY.
KEY is the private key, a JWK. Prints what became of each request, a JSON array a line: what it is, the status, the reason."""

import json
import sys

import requests
from requests_oauth2client import BearerToken, DPoPKey, DPoPToken
from requests_oauth2client.dpop import InvalidUseDPoPNonceResponse

url, token, key = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

own = DPoPToken(access_token=token, _dpop_key=DPoPKey(private_key=key))
# Whoever has the token has no key that goes with it.
thief = DPoPToken(access_token=token, _dpop_key=DPoPKey.generate(alg="ES256"))


def send(what, auth, method="GET", query=""):
    headers = {"x-test-upstream": "starlette", "x-test-request": f"python {what}"}
    try:
        response = requests.request(method, url + query, auth=auth, headers=headers, timeout=60)
    except InvalidUseDPoPNonceResponse as error:
        # What the library makes of a denial without a nonce.
        response = error.response
    reason = "" if response.status_code == 200 else response.json()["code"]
    print(json.dumps([what, response.status_code, reason]))


send("stolen, as a bearer token", BearerToken(token))
send("stolen, with another key", thief)
send("first", own)
send("second", own)
send("with a query", own, query="?page=2")
send("post", own, method="POST")
