"""People: their accounts, roles and passwords. Every change is an event; passwords never are."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.clock import now
from lymphoscope.review.refusals import RefusalError, invalid, not_found
from lymphoscope.review.roles import ROLES, Permission, permissions_of
from lymphoscope.review.tables import LoginSession, User

SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 256
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_HASHES: Final = PasswordHash((Argon2Hasher(),))
_NOBODY: Final = _HASHES.hash("the hash that the passwords of unknown people are compared with")


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in, or who acts at the command line."""

    id: int
    name: str
    display_name: str
    roles: tuple[str, ...]
    csrf_token: str = ""
    authenticated: str = ""
    """When she last proved who she is."""
    has_password: bool = True
    """False if only the OIDC provider identifies her."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """What she may do."""
        return permissions_of(self.roles)


def person_of(user: User, *, csrf_token: str = "", authenticated: str = "") -> Person:
    """Return the person of an account."""
    return Person(
        user.id,
        user.name,
        user.display_name,
        tuple(user.roles),
        csrf_token,
        authenticated,
        has_password=user.password_hash is not None,
    )


def has_people(session: Session) -> bool:
    """Return whether there is any account."""
    return bool(session.scalar(select(func.count()).select_from(User)))


def find_user(session: Session, name: str) -> User | None:
    """Return the account of this name, in any case of letters."""
    return session.scalar(select(User).where(User.name == name_key(name)))


def name_key(name: str) -> str:
    """Return a name as accounts hold it."""
    return unicodedata.normalize("NFKC", name).strip().casefold()[:64]


def hash_password(password: str) -> str:
    """Return the argon2 hash of a new password. Raises RefusalError if it is too short or too long. Takes long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise invalid(f"password: choose {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return _HASHES.hash(password)


def password_fits(password: str, password_hash: str | None) -> bool:
    """Return whether a password is the one of the hash; takes as long where there is no such account."""
    fits = _HASHES.verify(password, password_hash or _NOBODY)
    return fits and password_hash is not None


def add_user(
    session: Session,
    name: str,
    *,
    display_name: str,
    roles: Sequence[str],
    password_hash: str | None,
    by: str | None,
) -> User:
    """Add an account. Raises RefusalError for a name that is taken or malformed, or for an unknown role."""
    key = name_key(name)
    if not _NAME.fullmatch(key):
        raise invalid(f"name {name!r}: use 1 to 64 of a-z, 0-9, dot, @, _ and -")
    if find_user(session, key) is not None:
        raise RefusalError(409, "taken", f"the name {key} is taken")
    user = User(
        name=key,
        display_name=_display_name(display_name or name),
        roles=_roles(roles),
        password_hash=password_hash,
        active=True,
        preferences={},
        created=now(),
    )
    session.add(user)
    session.flush()
    audit.append(
        session, "user_added", by=by, data={"name": key, "roles": user.roles, "display_name": user.display_name}
    )
    return user


def change_user(session: Session, name: str, changes: dict[str, Any], *, by: str | None) -> User:
    """Change the roles, the display name, the password hash or the activity of an account; ends its sessions.

    Raises RefusalError if nobody is called so, or if no active administrator would be left.
    """
    user = find_user(session, name)
    if user is None:
        raise not_found("person", name)
    if "roles" in changes:
        changes = {**changes, "roles": _roles(changes["roles"])}
    if "display_name" in changes:
        changes = {**changes, "display_name": _display_name(changes["display_name"])}
    had_administrator = _has_administrator(session)
    old = {key: getattr(user, key) for key in changes}
    for key, value in changes.items():
        setattr(user, key, value)
    session.flush()
    if had_administrator and not _has_administrator(session):
        raise RefusalError(409, "last_administrator", "somebody must remain administrator: add one first")
    session.query(LoginSession).filter(LoginSession.user_id == user.id).delete()
    shown = {key: [old[key], changes[key]] for key in changes if key != "password_hash"}
    audit.append(
        session, "user_changed", by=by, data={"name": user.name, **shown, "password": "password_hash" in changes}
    )
    return user


def _roles(roles: Sequence[str]) -> list[str]:
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise invalid(f"roles {', '.join(unknown) or 'are missing'}: choose from {', '.join(ROLES)}")
    return sorted(set(roles))


def _display_name(text: str) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(text) <= 200:
        raise invalid("display_name: give 1 to 200 characters")
    return text


def _has_administrator(session: Session) -> bool:
    return any("administrator" in user.roles for user in session.scalars(select(User).where(User.active)))
