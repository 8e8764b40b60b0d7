"""Who may call a route: every route declares a permission with `allow`, and the application refuses one without."""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request

from lymphoscope.review.database import Database
from lymphoscope.review.oidc import Provider
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.roles import Permission
from lymphoscope.review.sessions import find_person
from lymphoscope.review.settings import ReviewSettings

SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class ReviewContext:
    """What handlers share."""

    settings: ReviewSettings
    database: Database
    provider: Provider | None = None
    """The OpenID Connect provider that people may log in with."""


def context_of(request: Request) -> ReviewContext:
    """Return the context of the application that serves a request."""
    context: ReviewContext = request.app.state.review
    return context


Context = Annotated[ReviewContext, Depends(context_of)]


@dataclass(frozen=True)
class Gate:
    """A dependency that lets a request pass if its person has the permission, and returns the person."""

    permission: Permission

    def __call__(self, request: Request) -> Person | None:
        """Return the person; None for a public route. Raises RefusalError: 401, 403."""
        _refuse_other_sites(request)
        if self.permission is Permission.PUBLIC:
            return None
        context = context_of(request)
        with context.database.read() as session:
            person = find_person(session, request.cookies.get(context.settings.cookie))
        if person is None:
            raise RefusalError(401, "not_logged_in", "log in first")
        if self.permission is not Permission.PERSON and self.permission not in person.permissions:
            raise RefusalError(403, "not_allowed", f"this needs the permission to {self.permission}")
        _check_csrf(request, person)
        return person


def allow(permission: Permission) -> Any:
    """Return the dependency of a route that needs this permission: `Annotated[Person, allow(Permission.VIEW)]`."""
    return Depends(Gate(permission))


def address_of(request: Request) -> str:
    """Return the address that a request came from."""
    return request.client.host if request.client else "unknown"


def _refuse_other_sites(request: Request) -> None:
    """Refuse a change that another site's page sends, where the browser says so."""
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none") or (origin and urlsplit(origin).netloc != request.headers.get("host")):
        raise RefusalError(403, "csrf", "the request came from another site")


def _check_csrf(request: Request, person: Person) -> None:
    if request.method in SAFE_METHODS:
        return
    sent = request.headers.get("x-csrf-token", "")
    if not compare_digest(sent.encode(), person.csrf_token.encode()):
        raise RefusalError(403, "csrf", "the header X-CSRF-Token is missing or old: load the page again")
