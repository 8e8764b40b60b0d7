"""Pages of people: logging in, the first account, one's own account, all accounts, and the audit chain."""

import re
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from lymphoscope.review.access import Context, allow
from lymphoscope.review.api import people_routes
from lymphoscope.review.audit import head
from lymphoscope.review.pages.rendering import page
from lymphoscope.review.pages.routing import PageRoute
from lymphoscope.review.people import Person, has_people
from lymphoscope.review.roles import ROLES, Permission
from lymphoscope.review.verification import verify

router = APIRouter(route_class=PageRoute)
_OWN_PATH: Final = re.compile(r"/(?![/\\])")
"""Browsers read // and /\\ as the beginning of another server's name."""
PUBLIC: Final = [allow(Permission.PUBLIC)]


@router.get("/login", dependencies=PUBLIC)
def log_in(context: Context, next: str = "/") -> Response:
    """Show the form of the login; without any account, the one of the first."""
    with context.database.read() as session:
        if not has_people(session):
            return RedirectResponse("/setup", status_code=303)
    return page("login.html.j2", None, "", next=own_path(next), oidc=context.settings.oidc is not None)


@router.get("/setup", dependencies=PUBLIC)
def set_up(context: Context, token: str = "") -> Response:
    """Show the form of the first account; once there is one, that of the login."""
    with context.database.read() as session:
        if has_people(session):
            return RedirectResponse("/login", status_code=303)
    return page("setup.html.j2", None, "", token=token)


@router.get("/account")
def account(person: Annotated[Person, allow(Permission.PERSON)]) -> Response:
    """Show one's own account."""
    return page("account.html.j2", person, "/account")


@router.get("/users")
def users(person: Annotated[Person, allow(Permission.PEOPLE)], context: Context) -> Response:
    """Show all accounts."""
    return page(
        "users.html.j2", person, "/users", users=people_routes.list_users(person, context), role_names=list(ROLES)
    )


@router.get("/audit")
def audit(person: Annotated[Person, allow(Permission.AUDIT)], context: Context) -> Response:
    """Check the audit chain and show the result."""
    result: Any = verify(context.database)
    with context.database.read() as session:
        last = asdict(head(session))
    return page("events.html.j2", person, "/audit", case=None, events=None, next=None, head=last, verified=result)


def own_path(address: str) -> str:
    """Return an address if it is a path of this server, else the worklist: a link must not lead elsewhere."""
    return address if _OWN_PATH.match(address) else "/"
