"""Several changes of one reading in one transaction: each has its own event, in the order in which they were made.

A person who works by keyboard makes changes faster than a busy server stores them one by one. Together they cost one
commit and one count of the case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.tables import Answer, Reading
from lymphoscope.review.workflow.changes import NOT_A_CELL, Change, open_reading
from lymphoscope.review.workflow.labels import Opened, confirm_in, label_in, see_in, undo_in


@dataclass(frozen=True)
class WantedChange:
    """A change that a person asks for: what, of which cells; `event` is the one to undo, None for the latest."""

    kind: Literal["label", "confirm", "not_a_cell", "seen", "undo"]
    cells: tuple[int, ...] = ()
    label: str | None = None
    reason: str | None = None
    event: int | None = None


@dataclass(frozen=True)
class MadeChange:
    """A change that was made: its event (None if nothing differed), its cells, and the event that it took back."""

    event: int | None
    cells: tuple[int, ...]
    undone: int | None = None


@dataclass(frozen=True)
class Batch:
    """The changes that were made, and why the one after them was not; None if all were.

    `cells` are all that were changed since the version that the person saw, by whomever.
    """

    reading: Reading
    made: tuple[MadeChange, ...]
    refused: RefusalError | None
    cells: tuple[int, ...]


def change_in_turn(
    session: Session, person: Person, reading_id: int, version: int, wanted: Sequence[WantedChange]
) -> Batch:
    """Make changes in their order, up to the first that is refused; the ones before it stay.

    A cell that somebody else changed after `version` is refused as for a single change; one that an earlier change of
    the batch changed is not. Raises RefusalError as a single change if the first is refused.
    """
    opened = open_reading(session, person, reading_id)
    reading, before = opened[0], opened[0].version
    stale = set(_changed_since(session, reading, version))
    made: list[MadeChange] = []
    refused = None
    for one in wanted:
        has_seen = version <= before and stale.isdisjoint(one.cells)
        try:
            # A refusal comes before anything of its change is written, so the transaction needs no savepoint.
            made.append(_make(session, person, opened, reading.version if has_seen else version, one))
        except RefusalError as error:
            if not made:
                raise
            refused = error
            break
    return Batch(reading, tuple(made), refused, _changed_since(session, reading, version))


def _make(session: Session, person: Person, opened: Opened, version: int, one: WantedChange) -> MadeChange:
    if one.kind == "undo":
        change, undone = undo_in(session, person, opened, version, one.event)
        return MadeChange(change.event, change.cells, undone)
    change = _change(session, person, opened, version, one)
    return MadeChange(change.event, change.cells)


def _change(session: Session, person: Person, opened: Opened, version: int, one: WantedChange) -> Change:
    if one.kind == "confirm":
        return confirm_in(session, person, opened, version, one.cells)
    if one.kind == "seen":
        return see_in(session, person, opened, version, one.cells)
    name = NOT_A_CELL if one.kind == "not_a_cell" else one.label or ""
    return label_in(session, person, opened, version, one.cells, name, reason=one.reason)


def _changed_since(session: Session, reading: Reading, version: int) -> tuple[int, ...]:
    query = select(Answer.cell_id).where(Answer.reading_id == reading.id, Answer.version > version)
    return tuple(session.scalars(query.order_by(Answer.cell_id)))
