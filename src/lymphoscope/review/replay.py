"""Replay the audit chain: the answers that its events lead to are compared with those in the database."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review.audit import content_of
from lymphoscope.review.tables import Answer, Cell, Event, Reading

State = dict[int, list[Any]]
"""Cell -> label, status, seen."""

_CHUNK = 1000


def replay_faults(session: Session) -> Iterator[str]:
    """Yield a line for every answer that the events do not lead to."""
    states: dict[int, State] = {}
    for event in session.scalars(select(Event).order_by(Event.sequence).execution_options(yield_per=_CHUNK)):
        yield from _apply(session, event, states)
    for reading in session.scalars(select(Reading).order_by(Reading.id)):
        yield from _compare(session, reading, states.pop(reading.id, None))
    for reading_id in states:
        yield f"reading {reading_id} is missing, but events speak of it"


def _apply(session: Session, event: Event, states: dict[int, State]) -> Iterator[str]:
    if event.kind == "imported":
        reading_id = session.scalar(
            select(Reading.id).where(Reading.case_id == event.case_id, Reading.role == "primary", Reading.revision == 1)
        )
        states[reading_id or 0] = _first_state(session, event.case_id)
    elif event.kind == "second_reading":
        states[event.reading_id or 0] = _first_state(session, event.case_id)
    elif event.kind == "amended":
        old = states.get(content_of(event)["data"]["from_reading"], {})
        states[event.reading_id or 0] = {cell: value for cell, value in old.items() if value[1] != "absent"}
    else:
        yield from _apply_changes(event, states)


def _apply_changes(event: Event, states: dict[int, State]) -> Iterator[str]:
    state = states.get(event.reading_id or 0, {})
    for cell, old, new in content_of(event)["data"].get("changes", []):
        if state.get(cell, [None, "absent", False]) != old:
            yield f"event {event.sequence}: cell {cell} was not {old} before it"
        state[cell] = new


def _first_state(session: Session, case_id: int | None) -> State:
    cells = session.execute(select(Cell.id, Cell.suggested, Cell.blind).where(Cell.case_id == case_id, ~Cell.added))
    return {
        cell.id: [None, "unanswered", False]
        if cell.blind or cell.suggested is None
        else [cell.suggested, "suggested", False]
        for cell in cells
    }


def _compare(session: Session, reading: Reading, state: State | None) -> Iterator[str]:
    if state is None:
        yield f"reading {reading.id}: no event speaks of it"
        return
    columns = (Answer.cell_id, Answer.label, Answer.status, Answer.seen)
    found = {row[0]: list(row[1:]) for row in session.execute(select(*columns).where(Answer.reading_id == reading.id))}
    for cell in sorted(set(found) | set(state)):
        present, expected = found.get(cell), state.get(cell)
        if present != expected:
            yield f"reading {reading.id}, cell {cell}: it is {present}, but the events lead to {expected}"
