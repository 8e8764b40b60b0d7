"""Accounts of people, for administrators."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from lymphoscope.review.access import Context, allow
from lymphoscope.review.api.schema import Body, JsonObject, Name, Secret
from lymphoscope.review.people import Person, add_user, change_user, hash_password
from lymphoscope.review.roles import Permission
from lymphoscope.review.tables import User

router = APIRouter()
Administrator = Annotated[Person, allow(Permission.PEOPLE)]


class _NewUser(Body):
    name: Annotated[Name, Field(description="The name to log in with.")]
    display_name: Annotated[Name, Field(description="The name on signatures.")]
    roles: Annotated[list[Name], Field(max_length=10, description="reader, senior_reader or administrator.")]
    password: Annotated[Secret | None, Field(description="The password; none for people of the OIDC provider.")] = None


class _UserChange(Body):
    display_name: Annotated[Name | None, Field(description="The name on signatures.")] = None
    roles: Annotated[list[Name] | None, Field(max_length=10, description="The new roles.")] = None
    active: Annotated[bool | None, Field(description="Whether the person may log in.")] = None
    password: Annotated[Secret | None, Field(description="A new password.")] = None


@router.get("/api/users")
def list_users(_person: Administrator, context: Context) -> list[JsonObject]:
    """List all accounts."""
    with context.database.read() as session:
        return [_shown(user) for user in session.scalars(select(User).order_by(User.name))]


@router.post("/api/users", status_code=201)
def create_user(person: Administrator, body: _NewUser, context: Context) -> JsonObject:
    """Add an account."""
    password_hash = None if body.password is None else hash_password(body.password)
    with context.database.write() as session:
        user = add_user(
            session,
            body.name,
            display_name=body.display_name,
            roles=body.roles,
            password_hash=password_hash,
            by=person.name,
        )
        return _shown(user)


@router.patch("/api/users/{name}")
def update_user(person: Administrator, name: Name, body: _UserChange, context: Context) -> JsonObject:
    """Change an account; its sessions end."""
    changes = body.model_dump(exclude_none=True)
    if "password" in changes:
        changes["password_hash"] = hash_password(changes.pop("password"))
    with context.database.write() as session:
        return _shown(change_user(session, name, changes, by=person.name))


def _shown(user: User) -> JsonObject:
    return {
        "name": user.name,
        "display_name": user.display_name,
        "roles": user.roles,
        "active": user.active,
        "has_password": user.password_hash is not None,
        "created": user.created,
    }
