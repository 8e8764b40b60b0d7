"""Logging in through an OpenID Connect provider."""

from hmac import compare_digest
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from lymphoscope.review.access import Context, address_of, allow
from lymphoscope.review.api.account import set_session_cookie
from lymphoscope.review.oidc import Provider
from lymphoscope.review.people import find_user
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.roles import Permission
from lymphoscope.review.sessions import begin_session

router = APIRouter()
STATE_COOKIE = "lymphoscope_oidc"
# The session cookie is not sent along with a navigation that another site began, so that a redirect would not do.
_ARRIVED = '<!doctype html><html lang="en"><title>Logged in</title><meta http-equiv="refresh" content="0; url=/">'


@router.get("/oidc/login", dependencies=[allow(Permission.PUBLIC)])
def begin(
    context: Context, again: Annotated[bool, Query(description="Whether to log in at the provider again.")] = False
) -> Response:
    """Send the browser to the provider."""
    address, state = _provider(context.provider).begin(again=again)
    response = RedirectResponse(address, status_code=303)
    response.set_cookie(
        STATE_COOKIE, state, max_age=600, path="/oidc/", secure=context.settings.secure, httponly=True, samesite="lax"
    )
    return response


@router.get("/oidc/callback", dependencies=[allow(Permission.PUBLIC)])
def finish(
    request: Request,
    context: Context,
    code: Annotated[str, Query(max_length=4000)] = "",
    state: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Take the provider's answer, and begin a session."""
    provider = _provider(context.provider)
    if not state or not compare_digest(request.cookies.get(STATE_COOKIE, "").encode(), state.encode()):
        raise RefusalError(403, "csrf", "this login was not begun in this browser: begin again")
    identity = provider.finish(state, code)
    with context.database.write() as session:
        user = find_user(session, identity.name)
        if user is None or not user.active:
            raise RefusalError(403, "not_allowed", "you have no account here: ask an administrator")
        hours = context.settings.session_hours
        login = begin_session(
            session, user, address=address_of(request), hours=hours, how="oidc", authenticated=identity.authenticated
        )
    response = HTMLResponse(_ARRIVED)
    set_session_cookie(response, context, login.token)
    response.delete_cookie(STATE_COOKIE, path="/oidc/")
    return response


def _provider(provider: Provider | None) -> Provider:
    if provider is None:
        raise RefusalError(404, "not_found", "this server has no OpenID Connect provider: log in by password")
    return provider
