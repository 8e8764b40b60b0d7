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
from lymphoscope.review.tables import LoginAttempt, LoginSession, User

WINDOW_SECONDS: Final = 15 * 60
MOST_FAILURES: Final = {"name and address": 5, "name": 20, "address": 30}
"""Failed logins within the window, after which more are refused."""


LONG_AGO: Final = "1970-01-01T00:00:00.000Z"
SECONDS_OF_PROOF: Final = 120
"""Who has no password here must have proved to the provider who she is at most so long ago, to sign."""


@dataclass(frozen=True)
class Login:
    """A new session: the token of its cookie, and who it is."""

    token: str
    person: Person


def log_in(database: Database, name: str, password: str, *, address: str, hours: float) -> Login:
    """Begin a session. Raises RefusalError for a wrong name or password, and after too many of them.

    The attempt is recorded before the password is compared, so that parallel attempts count as well.
    """
    with database.write() as session:
        attempt = _count_attempt(session, name_key(name), address)
    with database.read() as session:
        user = find_user(session, name)
        known = user.name if user else None
        right = password_fits(password, user.password_hash if user else None)
        right = right and user is not None and user.active
    with database.write() as session:
        if not right:
            audit.append(session, "login_failed", by=known, data={"address": address})
        else:
            session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt))
            return begin_session(session, _still_there(session, name), address=address, hours=hours, how="password")
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
    with database.write() as session:
        attempt = _count_attempt(session, person.name, address)
    with database.read() as session:
        user = session.get(User, person.id)
        right = user is not None and user.active and password_fits(password, user.password_hash)
    with database.write() as session:
        if right:
            session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt))
        else:
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
    session.execute(delete(LoginAttempt).where(LoginAttempt.at < later(-WINDOW_SECONDS)))
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


def _count_attempt(session: Session, name: str, address: str) -> int:
    since = LoginAttempt.at >= later(-WINDOW_SECONDS)
    same_name, same_address = LoginAttempt.name_key == name, LoginAttempt.address == address
    conditions = {"name and address": same_name & same_address, "name": same_name, "address": same_address}
    for what, condition in conditions.items():
        count = session.scalar(select(func.count()).select_from(LoginAttempt).where(since, condition))
        if (count or 0) >= MOST_FAILURES[what]:
            raise RefusalError(
                429, "too_many_attempts", "too many wrong passwords: wait 15 minutes", retry_after=WINDOW_SECONDS
            )
    attempt = LoginAttempt(name_key=name, address=address[:64], at=now())
    session.add(attempt)
    session.flush()
    return attempt.id


def _require_recent(person: Person) -> None:
    if seconds_until(person.authenticated or LONG_AGO) < -SECONDS_OF_PROOF:
        raise RefusalError(403, "log_in_again", "prove again who you are: /oidc/login?again=true, then sign")


def _still_there(session: Session, name: str) -> User:
    user = find_user(session, name)
    if user is None or not user.active:
        raise RefusalError(401, "wrong_password", "the name or the password is wrong")
    return user
