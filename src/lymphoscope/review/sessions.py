"""Logging in: sessions on the server, and limits to the guessing of passwords."""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.audit import digest
from lymphoscope.review.clock import later, now, seconds_until
from lymphoscope.review.database import Database
from lymphoscope.review.people import Person, find_user, name_key, password_fits, person_of
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.tables import LoginFailure, LoginSession, User

WINDOW_SECONDS: Final = 15 * 60
MOST_FAILURES: Final = {"name and address": 5, "name": 20, "address": 30}
"""Wrong passwords within the window, after which even the right one is refused."""

LONG_AGO: Final = "1970-01-01T00:00:00.000Z"
SECONDS_OF_PROOF: Final = 120
"""Who has no password here must have proved to the provider who she is at most so long ago, to sign."""


@dataclass(frozen=True)
class Login:
    """A new session: the token of its cookie, and who it is."""

    token: str
    person: Person


def log_in(database: Database, name: str, password: str, *, address: str, hours: float) -> Login:
    """Begin a session. Raises RefusalError for a wrong name or password, and after too many of them."""
    key = name_key(name)
    with database.read() as session:
        _refuse_guessing(session, key, address)
        user = find_user(session, name)
    right = password_fits(password, user.password_hash if user else None) and user is not None and user.active
    with database.write() as session:
        _refuse_guessing(session, key, address)
        if right:
            return begin_session(session, _still_there(session, name), address=address, hours=hours, how="password")
        _count_failure(session, key, address)
        audit.append(session, "login_failed", by=user.name if user else None, data={"address": address})
    raise RefusalError(401, "wrong_password", "the name or the password is wrong")


def check_password(database: Database, person: Person, password: str, *, address: str) -> None:
    """Ask for the password again. Raises RefusalError if it is wrong, or after too many wrong ones.

    Who has none must have logged in at the OpenID Connect provider just before.
    """
    with database.read() as session:
        user = session.get(User, person.id)
        if user is not None and user.password_hash is None:
            _require_recent(person)
            return
        _refuse_guessing(session, person.name, address)
    right = user is not None and user.active and password_fits(password, user.password_hash)
    with database.write() as session:
        _refuse_guessing(session, person.name, address)
        if not right:
            _count_failure(session, person.name, address)
            audit.append(session, "password_refused", by=person.name, data={"address": address})
    if not right:
        raise RefusalError(403, "wrong_password", "the password is wrong")


def begin_session(
    session: Session, user: User, *, address: str, hours: float, how: str, authenticated: str | None = ""
) -> Login:
    """Begin a session of somebody who has proved who she is, at `authenticated` ("" is now, None is not known)."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    moment = now()
    proved = moment if authenticated == "" else authenticated or LONG_AGO
    session.execute(delete(LoginSession).where(LoginSession.expires < moment))
    session.execute(delete(LoginFailure).where(LoginFailure.at < later(-WINDOW_SECONDS)))
    session.add(
        LoginSession(
            token_hash=digest(token),
            user_id=user.id,
            csrf_token=csrf,
            created=moment,
            expires=later(hours * 3600),
            authenticated=proved,
        )
    )
    audit.append(session, "login", by=user.name, data={"address": address, "how": how})
    return Login(token, person_of(user, csrf_token=csrf, authenticated=proved))


def find_person(session: Session, token: str | None) -> Person | None:
    """Return who holds the token of a session that has not ended."""
    if not token:
        return None
    query = select(LoginSession, User).join(User, User.id == LoginSession.user_id)
    row = session.execute(query.where(LoginSession.token_hash == digest(token))).first()
    if row is None or row[0].expires < now() or not row[1].active:
        return None
    return person_of(row[1], csrf_token=row[0].csrf_token, authenticated=row[0].authenticated)


def log_out(session: Session, token: str, person: Person) -> None:
    """End a session."""
    session.execute(delete(LoginSession).where(LoginSession.token_hash == digest(token)))
    audit.append(session, "logout", by=person.name)


def _refuse_guessing(session: Session, name: str, address: str) -> None:
    """Raise RefusalError if there were too many wrong passwords for a name or from an address.

    Call it before the password is compared, which is slow, and again in the write transaction that counts a failure.
    Writers come one by one, so of any number of simultaneous guesses at most MOST_FAILURES learn that they are wrong,
    and a right one among the rest is refused as well. Logins in progress do not count.
    """
    since = LoginFailure.at >= later(-WINDOW_SECONDS)
    same_name, same_address = LoginFailure.name_key == name, LoginFailure.address == address[:64]
    conditions = {"name and address": same_name & same_address, "name": same_name, "address": same_address}
    for what, condition in conditions.items():
        count = session.scalar(select(func.count()).select_from(LoginFailure).where(since, condition))
        if (count or 0) >= MOST_FAILURES[what]:
            raise RefusalError(
                429, "too_many_attempts", "too many wrong passwords: wait 15 minutes", retry_after=WINDOW_SECONDS
            )


def _count_failure(session: Session, name: str, address: str) -> None:
    session.add(LoginFailure(name_key=name, address=address[:64], at=now()))


def _require_recent(person: Person) -> None:
    if seconds_until(person.authenticated or LONG_AGO) < -SECONDS_OF_PROOF:
        raise RefusalError(403, "log_in_again", "prove again who you are: /oidc/login?again=true, then sign")


def _still_there(session: Session, name: str) -> User:
    user = find_user(session, name)
    if user is None or not user.active:
        raise RefusalError(401, "wrong_password", "the name or the password is wrong")
    return user
