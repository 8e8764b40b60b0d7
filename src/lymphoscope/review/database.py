"""Connections and transactions: SQLite in a file, or PostgreSQL by its address; the same rules on both.

A write transaction is alone: SQLite begins it with BEGIN IMMEDIATE, PostgreSQL takes an advisory lock. So the state
that it reads is the state that it changes, and the audit chain cannot fork.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session

from lymphoscope.errors import LymphoscopeError, one_line

WRITERS_LOCK: Final = 0x6C796D70686F
"""The key of the advisory lock that writers on PostgreSQL take."""
SECONDS_FOR_A_LOCK: Final = 30
_REMEMBERED: Final = "lymphoscope_remembered"
_MOST_REMEMBERED: Final = 1000

Fact = TypeVar("Fact")


class Database:
    """A review database. `read()` and `write()` yield a session; `write()` commits when its block ends."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else create_engine(url, pool_size=10, max_overflow=40)
        self._writer = self.engine.execution_options(lymphoscope_writes=True)
        self._turn = threading.Lock()
        self._info: dict[str, Any] = {_REMEMBERED: {}}

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session for queries; nothing is written."""
        with Session(self.engine, info=self._info) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session in which no other writer is active; commit at the end, roll back on an exception."""
        with self._in_turn(), Session(self._writer, info=self._info) as session, session.begin():
            if not self.is_sqlite:
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITERS_LOCK})
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let the writers of this process wait for each other here.

        In SQLite they would try again every 0.1 s, in PostgreSQL each would hold a connection meanwhile. The database's
        own lock decides in the end: a writer that has waited long goes on to it, and fails there with its message.
        """
        mine = self._turn.acquire(timeout=SECONDS_FOR_A_LOCK)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def remembered(session: Session, key: tuple[str, int], find: Callable[[], Fact]) -> Fact:
    """Return a fact that never changes once it is stored, such as what was imported; it is found once per process."""
    facts: dict[tuple[str, int], Fact] = session.info.get(_REMEMBERED, {})
    if key not in facts:
        if len(facts) >= _MOST_REMEMBERED:
            facts.clear()
        facts[key] = find()
    return facts[key]


def open_database(address: str | Path) -> Database:
    """Open the database at a file path or an address such as postgresql://user@host/name; it may be empty.

    Raises LymphoscopeError for an address of another kind, or if nothing answers there.
    """
    url = database_url(address)
    if url.get_backend_name() == "sqlite":
        _make_private(Path(url.database or ""))
    database = Database(url)
    try:
        with database.engine.connect():
            pass
    except OperationalError as error:
        database.close()
        reason = one_line(error.orig)
        shown = url.render_as_string(hide_password=True)
        raise LymphoscopeError(f"{shown}: the database cannot be opened ({reason}): check --database") from error
    return database


def database_url(address: str | Path) -> URL:
    """Return the address of a database. Raises LymphoscopeError if it is neither SQLite nor PostgreSQL."""
    if isinstance(address, Path) or "://" not in address:
        return URL.create("sqlite+pysqlite", database=str(Path(address).resolve()))
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise LymphoscopeError(f"--database: not an address: write postgresql://user@host/name ({error})") from error
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+pysqlite")
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise LymphoscopeError(f"--database {url.drivername}: only a file (SQLite) or postgresql://... is supported")


def _make_private(path: Path) -> None:
    """Make the file of a new database, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SECONDS_FOR_A_LOCK, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("lymphoscope_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
