"""Logging in through a small OpenID Connect provider that runs beside the test, and what is refused."""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwk, jwt

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.oidc import Provider
from lymphoscope.review.people import add_user
from lymphoscope.review.settings import OidcSettings

CLIENT = "review"
SECRET = "the secret of the client"  # noqa: S105


class SmallProvider:
    """Knows one person; `claims` and `key` can be set to what a false one would send."""

    def __init__(self) -> None:
        self.key = self.signing_key = jwk.RSAKey.generate_key(2048, {"kid": "1"})
        self.claims: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                answers = {"/.well-known/openid-configuration": provider.configuration, "/keys": provider.keys}
                self.answer(answers[path]())

            def do_POST(self) -> None:
                body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.answer(provider.token({name: values[0] for name, values in body.items()}))

            def answer(self, value: Any) -> None:
                content = json.dumps(value).encode()
                self.send_response(400 if "error" in value else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(content)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def configuration(self) -> dict[str, str]:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in ends.items()}}

    def keys(self) -> Any:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, address: str) -> str:
        """What the person does in her browser: she logs in, and is sent back with this code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["client_id"], asked["code_challenge_method"]) == (CLIENT, "S256")
        code = f"code{len(self.codes)}"
        self.codes[code] = asked
        return code

    def token(self, body: dict[str, str]) -> dict[str, Any]:
        asked = self.codes.pop(body["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(body["code_verifier"].encode()).digest()).rstrip(b"=")
        if asked is None or challenge.decode() != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "exp": int(time.time()) + 60,
            "nonce": asked["nonce"],
            "preferred_username": "olga",
            "auth_time": int(time.time()),
            **self.claims,
        }
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signing_key)
        return {"access_token": "a", "token_type": "Bearer", "id_token": token}


@pytest.fixture
def provider() -> Iterator[SmallProvider]:
    small = SmallProvider()
    yield small
    small.http.shutdown()
    small.http.server_close()


@pytest.fixture
def server(make_server: Any, provider: SmallProvider) -> Any:
    made = make_server(oidc=OidcSettings(provider.issuer, CLIENT, SECRET))
    with made.database.write() as session:
        add_user(session, "olga", display_name="Olga", roles=["senior_reader"], password_hash=None, by=None)
    return made


def log_in(server: Any, provider: SmallProvider, query: str = "") -> Any:
    """Go to the provider and come back; return the client and the answer."""
    client = server.client()
    sent = client.http.get(f"/oidc/login{query}", follow_redirects=False)
    assert sent.status_code == 303, sent.text
    code = provider.authorize(sent.headers["location"])
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    answer = client.http.get(f"/oidc/callback?code={code}&state={state}")
    if answer.status_code == 200:
        client.csrf = client.get("/api/me")["csrf_token"]
    return client, answer


def test_who_the_provider_names_is_logged_in_with_her_roles(server: Any, provider: SmallProvider) -> None:
    client, answer = log_in(server, provider)
    assert answer.status_code == 200
    assert client.get("/api/me")["roles"] == ["senior_reader"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://another.example"},
        {"aud": "another client"},
        {"exp": 1},
        {"nonce": "another"},
        {"preferred_username": None},
        {"preferred_username": "stranger"},
    ],
)
def test_a_token_for_somebody_else_is_refused(server: Any, provider: SmallProvider, claims: Any) -> None:
    provider.claims = claims
    client, answer = log_in(server, provider)
    assert answer.status_code in (401, 403)
    assert client.call("GET", "/api/me").status_code == 401


def test_a_token_with_another_signature_is_refused(server: Any, provider: SmallProvider) -> None:
    provider.signing_key = jwk.RSAKey.generate_key(2048, {"kid": "1"})
    _, answer = log_in(server, provider)
    assert (answer.status_code, answer.json()["error"]) == (401, "oidc")


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(server: Any, provider: SmallProvider) -> None:
    client = server.client()
    sent = client.http.get("/oidc/login", follow_redirects=False)
    code = provider.authorize(sent.headers["location"])
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    stranger = server.client()
    assert stranger.http.get(f"/oidc/callback?code={code}&state={state}").json()["error"] == "csrf"
    assert client.http.get(f"/oidc/callback?code={code}&state={state}").status_code == 200
    assert client.http.get(f"/oidc/callback?code={code}&state={state}").status_code in (401, 403)


def test_to_sign_without_a_password_needs_a_fresh_login_at_the_provider(server: Any, provider: SmallProvider) -> None:
    body = {"meaning": "approved", "override_reason": "a test"}
    provider.claims = {"auth_time": int(time.time()) - 3600}
    client, _ = log_in(server, provider)
    assert client.post("/api/cases/1/sign", body, version=1, status=403)["error"] == "log_in_again"
    provider.claims = {}
    client, _ = log_in(server, provider, "?again=true")
    assert client.post("/api/cases/1/sign", body, version=1)["by"] == "olga"


def test_the_pages_lead_to_the_provider_who_has_no_password(server: Any, provider: SmallProvider) -> None:
    shown = server.client().http.get("/login").text
    link = re.search(r'href="([^"]*oidc[^"]*)"', shown)
    assert link is not None
    assert server.client().http.get(link[1], follow_redirects=False).status_code == 303
    client, _ = log_in(server, provider)
    signing = client.http.get("/cases/1/sign").text
    assert 'href="/oidc/login?again=true"' in signing
    assert 'type="password"' not in signing + client.http.get("/account").text
    sana = server.person("sana").http
    assert 'type="password"' in sana.get("/cases/1/sign").text
    assert 'type="password"' in sana.get("/account").text


def test_without_a_provider_there_is_no_such_login(make_server: Any) -> None:
    client = make_server().client()
    assert client.call("GET", "/oidc/login").status_code == 404
    assert client.call("GET", "/oidc/callback?state=a&code=b").status_code == 404


def test_a_provider_without_encryption_is_refused() -> None:
    with pytest.raises(LymphoscopeError, match="give an https address"):
        Provider(OidcSettings("http://provider.example", CLIENT, SECRET), "https://review.example/oidc/callback")


def test_a_provider_that_does_not_answer_is_no_fault_of_ours(make_server: Any) -> None:
    server = make_server(oidc=OidcSettings("http://127.0.0.1:9", CLIENT, SECRET))
    answer = server.client().call("GET", "/oidc/login")
    assert (answer.status_code, answer.json()["error"]) == (503, "oidc")
