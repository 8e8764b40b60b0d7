"""Logging in and out, one's own account, and the first account of a new database."""

from hmac import compare_digest
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from lymphoscope.review import sessions
from lymphoscope.review.access import Context, ReviewContext, address_of, allow
from lymphoscope.review.api.schema import Body, JsonObject, Name, Secret
from lymphoscope.review.audit import canonical
from lymphoscope.review.people import Person, add_user, change_user, has_people, hash_password, person_of
from lymphoscope.review.refusals import RefusalError, invalid
from lymphoscope.review.roles import Permission
from lymphoscope.review.tables import User
from lymphoscope.version import __version__

router = APIRouter()
Anybody = Annotated[Person, allow(Permission.PERSON)]
LARGEST_PREFERENCES = 8192


class _Setup(Body):
    token: Annotated[Secret, Field(description="The token that the server printed at its start.")]
    name: Annotated[Name, Field(description="The name to log in with.")]
    display_name: Annotated[Name, Field(description="The name on signatures.")]
    password: Annotated[Secret, Field(description="The password.")]


class _Credentials(Body):
    name: Annotated[Name, Field(description="The name of the account.")]
    password: Annotated[Secret, Field(description="Its password.")]


class _NewPassword(Body):
    old: Annotated[Secret, Field(description="The present password.")]
    new: Annotated[Secret, Field(description="The next password.")]


@router.get("/healthz", dependencies=[allow(Permission.PUBLIC)])
def health(context: Context) -> JsonObject:
    """Answer if the database answers."""
    with context.database.read() as session:
        return {"status": "ok", "version": __version__, "setup": not has_people(session)}


@router.post("/api/setup", dependencies=[allow(Permission.PUBLIC)], status_code=201)
def set_up(body: _Setup, context: Context) -> JsonObject:
    """Make the first account, with the token that only who started the server knows."""
    token = context.settings.setup_token
    if token is None or not compare_digest(token.encode(), body.token.encode()):
        raise RefusalError(403, "not_allowed", "the setup token is wrong: take the address that the server printed")
    password_hash = hash_password(body.password)
    with context.database.write() as session:
        if has_people(session):
            raise RefusalError(403, "not_allowed", "the first account was already made: log in")
        add_user(
            session,
            body.name,
            display_name=body.display_name,
            roles=["administrator", "senior_reader"],
            password_hash=password_hash,
            by=None,
        )
    return {"name": body.name}


@router.post("/api/login", dependencies=[allow(Permission.PUBLIC)])
def log_in(body: _Credentials, request: Request, response: Response, context: Context) -> JsonObject:
    """Begin a session."""
    hours = context.settings.session_hours
    login = sessions.log_in(context.database, body.name, body.password, address=address_of(request), hours=hours)
    set_session_cookie(response, context, login.token)
    return _me(context, login.person)


@router.post("/api/logout")
def log_out(person: Anybody, request: Request, response: Response, context: Context) -> JsonObject:
    """End the session."""
    cookie = context.settings.cookie
    with context.database.write() as session:
        sessions.log_out(session, request.cookies[cookie], person)
    response.delete_cookie(cookie, secure=context.settings.secure, httponly=True, samesite="strict")
    return {}


@router.get("/api/me")
def me(person: Anybody, context: Context) -> JsonObject:
    """Return who is logged in, what she may do, and her preferences."""
    return _me(context, person)


@router.put("/api/me/preferences")
def set_preferences(person: Anybody, body: dict[str, Any], context: Context) -> JsonObject:
    """Store preferences, such as keys."""
    try:
        text = canonical(body)
        size = len(text.encode())
    except (ValueError, UnicodeEncodeError) as error:
        raise invalid("preferences: a number or a character that JSON does not have") from error
    if size > LARGEST_PREFERENCES or "\\u0000" in text:
        raise invalid(f"preferences: at most {LARGEST_PREFERENCES} bytes, and no zero characters")
    with context.database.write() as session:
        user = session.get_one(User, person.id)
        user.preferences = body
    return body


@router.put("/api/me/password")
def set_password(person: Anybody, body: _NewPassword, request: Request, context: Context) -> JsonObject:
    """Change one's own password; all sessions end."""
    sessions.check_password(context.database, person, body.old, address=address_of(request))
    password_hash = hash_password(body.new)
    with context.database.write() as session:
        change_user(session, person.name, {"password_hash": password_hash}, by=person.name)
    return {}


def set_session_cookie(response: Response, context: ReviewContext, token: str) -> None:
    """Give the browser the token of a new session."""
    settings = context.settings
    response.set_cookie(
        settings.cookie,
        token,
        max_age=int(settings.session_hours * 3600),
        secure=settings.secure,
        httponly=True,
        samesite="strict",
    )


def _me(context: ReviewContext, person: Person) -> JsonObject:
    with context.database.read() as session:
        user = session.get_one(User, person.id)
        preferences, present = user.preferences, person_of(user)
    return {
        "name": person.name,
        "display_name": present.display_name,
        "roles": list(present.roles),
        "permissions": sorted(present.permissions),
        "csrf_token": person.csrf_token,
        "preferences": preferences,
    }
