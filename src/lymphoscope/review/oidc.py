"""Log in through an OpenID Connect provider: the authorization code flow with PKCE.

https://openid.net/specs/openid-connect-core-1_0.html and RFC 7636.
Accounts are made before by an administrator: the provider says who somebody is, not what she may do.
"""

import secrets
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.clock import as_text
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.settings import OidcSettings

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

ALGORITHMS: Final = ("RS256", "ES256")
SECONDS_TO_LOG_IN: Final = 600
MOST_WAITING: Final = 1000
_TIMEOUT: Final = 10.0


@dataclass(frozen=True)
class Attempt:
    """A login that waits for the provider's answer."""

    nonce: str
    verifier: str
    until: float


@dataclass(frozen=True)
class Identity:
    """Who the provider says that somebody is, and when she proved it (None if it does not say)."""

    name: str
    authenticated: str | None


class Provider:
    """An OpenID Connect provider, and the logins that wait for its answer (in the memory of this process)."""

    def __init__(self, settings: OidcSettings, redirect_uri: str) -> None:
        _check_address(settings.issuer)
        self.settings, self.redirect_uri = settings, redirect_uri
        self._waiting: dict[str, Attempt] = {}
        self._configuration: dict[str, Any] | None = None

    def begin(self, *, again: bool) -> tuple[str, str]:
        """Return the provider's address and the state that must come back; `again` asks for a new login."""
        present = time.monotonic()
        self._waiting = {state: one for state, one in self._waiting.items() if one.until > present}
        if len(self._waiting) >= MOST_WAITING:
            raise RefusalError(429, "too_many_attempts", "too many logins wait for the provider", retry_after=60)
        attempt = Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(48), present + SECONDS_TO_LOG_IN)
        state = secrets.token_urlsafe(24)
        more = {"prompt": "login", "max_age": "0"} if again else {}
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
                **more,
            )
        self._waiting[state] = attempt
        return str(address), state

    def finish(self, state: str, code: str) -> Identity:
        """Exchange the code of the answer for an id token, check it, and return who it names."""
        attempt = self._waiting.pop(state, None)
        if attempt is None or attempt.until < time.monotonic():
            raise RefusalError(401, "oidc", "this login has expired: begin again")
        from authlib.integrations.base_client.errors import OAuthError

        try:
            with self._client() as client:
                token = client.fetch_token(
                    self._endpoint("token_endpoint"), code=code, state=state, code_verifier=attempt.verifier
                )
            keys = httpx.get(self._endpoint("jwks_uri"), timeout=_TIMEOUT).raise_for_status().json()
            claims = self._claims(str(token.get("id_token", "")), jwk.KeySet.import_key_set(keys), attempt)
        except (OAuthError, JoseError, httpx.HTTPError, ValueError) as error:
            raise RefusalError(401, "oidc", "the provider's answer is not valid: begin again") from error
        name = claims.get(self.settings.name_claim)
        if not isinstance(name, str):
            raise RefusalError(401, "oidc", f"the provider does not state {self.settings.name_claim}")
        moment = claims.get("auth_time")
        return Identity(name, as_text(datetime.fromtimestamp(moment, UTC)) if isinstance(moment, int) else None)

    def _claims(self, token: str, keys: jwk.KeySet, attempt: Attempt) -> dict[str, Any]:
        decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
        jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": attempt.nonce},
        ).validate(decoded.claims)
        return dict(decoded.claims)

    def _client(self) -> "OAuth2Client":
        with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):  # of httpx, which is what we have
            from authlib.integrations.httpx_client import OAuth2Client
        return OAuth2Client(
            self.settings.client_id,
            self.settings.client_secret,
            scope="openid profile",
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
        )

    def _endpoint(self, name: str) -> str:
        if self._configuration is None:
            address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = httpx.get(address, timeout=_TIMEOUT).raise_for_status().json()
            except (httpx.HTTPError, ValueError) as error:
                raise RefusalError(503, "oidc", "the provider does not answer: log in by password") from error
            if found.get("issuer") != self.settings.issuer:
                raise RefusalError(503, "oidc", "the provider calls itself by another address than --oidc-issuer")
            self._configuration = found
        address = str(self._configuration.get(name, ""))
        _check_address(address)
        return address


def _check_address(address: str) -> None:
    """Raise LymphoscopeError unless an address is https, or on this machine."""
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise LymphoscopeError(f"--oidc-issuer {address}: give an https address")
