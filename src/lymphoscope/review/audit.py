"""The audit chain: events are appended, never changed, and each holds the hash of the one before it.

The chain is tamper-evident, not tamper-proof: whoever can write the database can replace the whole chain, but not
without changing its head, which every report and export states. `append` reads the head and inserts in one write
transaction, and the previous hash is unique, so that the chain cannot fork.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review.clock import now
from lymphoscope.review.tables import Event

BEFORE_THE_FIRST: Final = "0" * 64
_CHUNK: Final = 1000


@dataclass(frozen=True)
class Head:
    """The last event of the chain: its number (0 in an empty chain) and its hash."""

    sequence: int
    hash: str


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and without blanks, the same for equal values. Raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def head(session: Session) -> Head:
    """Return the head of the chain."""
    row = session.execute(select(Event.sequence, Event.hash).order_by(Event.sequence.desc()).limit(1)).first()
    return Head(0, BEFORE_THE_FIRST) if row is None else Head(row.sequence, row.hash)


def append(
    session: Session,
    kind: str,
    *,
    by: str | None,
    case: int | None = None,
    reading: int | None = None,
    reason: str | None = None,
    undoes: int | None = None,
    data: dict[str, Any] | None = None,
) -> Event:
    """Append an event in the write transaction of `session` and return it."""
    last = head(session)
    body = {
        "sequence": last.sequence + 1,
        "at": now(),
        "by": by,
        "kind": kind,
        "case": case,
        "reading": reading,
        "reason": reason,
        "undoes": undoes,
        "data": data or {},
        "previous": last.hash,
    }
    event = _event_of(canonical(body), body)
    session.add(event)
    session.flush()
    return event


def content_of(event: Event) -> dict[str, Any]:
    """Return the body of an event."""
    body: dict[str, Any] = json.loads(event.body)
    return body


def chain_faults(session: Session) -> Iterator[str]:
    """Yield a line for everything that does not fit in the chain, in its order."""
    expected, previous = 1, BEFORE_THE_FIRST
    for event in session.scalars(select(Event).order_by(Event.sequence).execution_options(yield_per=_CHUNK)):
        if event.sequence != expected:
            yield f"event {expected} is missing: the next one is {event.sequence}"
        yield from _event_faults(event, previous)
        expected, previous = event.sequence + 1, event.hash


def head_fault(session: Session, expected: str) -> str | None:
    """Return a line if no event has the hash that a report states: the tail was cut or replaced."""
    found = session.scalar(select(Event.sequence).where(Event.hash == expected))
    return None if found is not None else f"no event has the hash {expected}: events were removed or replaced"


def _event_of(text: str, body: dict[str, Any]) -> Event:
    return Event(
        sequence=body["sequence"],
        previous_hash=body["previous"],
        hash=digest(text),
        at=body["at"],
        kind=body["kind"],
        by=body["by"],
        case_id=body["case"],
        reading_id=body["reading"],
        undoes=body["undoes"],
        body=text,
    )


def _event_faults(event: Event, previous: str) -> Iterator[str]:
    where = f"event {event.sequence}"
    if digest(event.body) != event.hash:
        yield f"{where}: its hash does not fit its content"
    if event.previous_hash != previous:
        yield f"{where}: it does not follow the event before it"
    try:
        body = json.loads(event.body)
        copy = _event_of(canonical(body), body)
    except (ValueError, KeyError, TypeError):
        yield f"{where}: its content is damaged"
        return
    names = [name for name in Event.__table__.columns.keys() if getattr(copy, name) != getattr(event, name)]  # noqa: SIM118
    if names:
        yield f"{where}: column {names[0]} does not fit its content"
