"""Relabel, confirm, see and add cells, and undo it."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError, invalid
from lymphoscope.review.tables import Answer, Case, Cell, Event, Field, Reading
from lymphoscope.review.workflow.changes import (
    NOT_A_CELL,
    Change,
    Value,
    answers_to,
    apply,
    change_answers,
    check_label,
    open_reading,
    refuse_changed,
    value_of,
)

UNDOABLE: Final = ("labelled", "confirmed", "not_a_cell", "seen", "cell_added", "adjudicated", "undone")
LARGEST_BOX: Final = 4000
_EVENTS_AT_ONCE: Final = 20

Opened = tuple[Reading, Case]
"""A reading that the person may change, and its case: what `open_reading` returns."""


def label(
    session: Session,
    person: Person,
    reading_id: int,
    version: int,
    cells: Sequence[int],
    name: str,
    *,
    reason: str | None = None,
) -> Change:
    """Give cells a label. It is confirmed by the person and the cells count as seen."""
    return label_in(session, person, open_reading(session, person, reading_id), version, cells, name, reason=reason)


def label_in(
    session: Session,
    person: Person,
    opened: Opened,
    version: int,
    cells: Sequence[int],
    name: str,
    *,
    reason: str | None = None,
) -> Change:
    """Give cells of an open reading a label, as `label` does."""
    check_label(opened[1], session, name)
    kind = "not_a_cell" if name == NOT_A_CELL else "labelled"
    value = Value(name, "confirmed", True)
    return change_answers(session, person, opened, version, cells, kind, lambda _: value, reason=reason)


def confirm(session: Session, person: Person, reading_id: int, version: int, cells: Sequence[int]) -> Change:
    """Make the labels that cells have, such as the model's suggestions, those of the person."""
    return confirm_in(session, person, open_reading(session, person, reading_id), version, cells)


def confirm_in(session: Session, person: Person, opened: Opened, version: int, cells: Sequence[int]) -> Change:
    """Confirm cells of an open reading, as `confirm` does."""
    return change_answers(session, person, opened, version, cells, "confirmed", _confirmed)


def see(session: Session, person: Person, reading_id: int, version: int, cells: Sequence[int]) -> Change:
    """Record that the person looked at cells."""
    return see_in(session, person, open_reading(session, person, reading_id), version, cells)


def see_in(session: Session, person: Person, opened: Opened, version: int, cells: Sequence[int]) -> Change:
    """Record that the person looked at cells of an open reading, as `see` does."""
    return change_answers(session, person, opened, version, cells, "seen", _seen)


def add_cell(
    session: Session,
    person: Person,
    reading_id: int,
    version: int,
    *,
    field_id: int,
    box: tuple[float, float, float, float],
    name: str | None,
) -> Change:
    """Add a cell that the detector missed: its box (x, y, width, height) in pixels of the field."""
    reading, case = open_reading(session, person, reading_id)
    refuse_changed(session, reading, version, [])
    if name is not None:
        check_label(case, session, name)
    field = session.get(Field, field_id)
    if field is None or field.case_id != case.id:
        raise invalid(f"field {field_id} is not one of this case")
    _check_box(box, field)
    cell = _new_cell(session, case, field, box)
    absent = Answer(
        reading_id=reading.id, cell_id=cell.id, label=None, status="absent", seen=False, version=reading.version
    )
    session.add(absent)
    session.flush()
    value = Value(name, "confirmed" if name else "unanswered", True)
    data = {"cell": cell.id, "field": field.name, "box": [str(one) for one in box]}
    return apply(session, person, reading, case, [(absent, value)], "cell_added", data=data)


def undo(session: Session, person: Person, reading_id: int, version: int, event_id: int | None) -> tuple[Change, int]:
    """Take back an event of a reading (default: the person's latest that is in effect); return which.

    Undoing an undo is a redo. Raises RefusalError 409: `nothing_to_undo`, or `changed` if its cells were changed since.
    """
    return undo_in(session, person, open_reading(session, person, reading_id), version, event_id)


def undo_in(session: Session, person: Person, opened: Opened, version: int, event_id: int | None) -> tuple[Change, int]:
    """Take back an event of an open reading, as `undo` does."""
    reading, case = opened
    refuse_changed(session, reading, version, [])
    event = _latest(session, person, reading) if event_id is None else _given(session, reading, event_id)
    changes = audit.content_of(event)["data"]["changes"]
    answers = {one.cell_id: one for one in answers_to(session, reading, [cell for cell, _, _ in changes])}
    pairs = [(answers[cell], Value(*old), Value(*new)) for cell, old, new in changes]
    other = [answer for answer, _, new in pairs if value_of(answer) != new]
    if other:
        raise RefusalError(
            409,
            "changed",
            f"{len(other)} of these cells were changed again: undo that first",
            version=reading.version,
            changed=[
                {"id": answer.cell_id, **value_of(answer)._asdict(), "version": answer.version} for answer in other
            ],
        )
    listed = [(answer, old) for answer, old, _ in pairs]
    return apply(session, person, reading, case, listed, "undone", undoes=event.sequence), event.sequence


def _confirmed(answer: Answer) -> Value:
    if answer.label is None:
        raise invalid(f"cell {answer.cell_id} has no label to confirm: give it one")
    return Value(answer.label, "confirmed", True)


def _seen(answer: Answer) -> Value:
    return value_of(answer)._replace(seen=True)


def _check_box(box: tuple[float, float, float, float], field: Field) -> None:
    x, y, width, height = box
    inside = x + width <= (field.width or 1e9) and y + height <= (field.height or 1e9) and x >= 0 and y >= 0
    if not inside or not (1 <= width <= LARGEST_BOX and 1 <= height <= LARGEST_BOX):
        raise invalid(f"box: each side must be 1 to {LARGEST_BOX} pixels, and the box inside the field")


def _new_cell(session: Session, case: Case, field: Field, box: tuple[float, float, float, float]) -> Cell:
    count = select(func.count()).select_from(Cell).where(Cell.case_id == case.id)
    position = session.scalar(count) or 0
    added = (session.scalar(count.where(Cell.added)) or 0) + 1
    x, y, width, height = box
    scale = field.microns_per_pixel
    cell = Cell(
        case_id=case.id,
        field_id=field.id,
        position=position,
        cell_id=f"added-{case.id}-{added}",
        slide=field.slide,
        x=x,
        y=y,
        width=width,
        height=height,
        outline=None,
        microns_per_pixel=scale,
        size_microns=None if scale is None else (width * height) ** 0.5 * scale,
        marks=[],
        quality=[],
        scores={},
        referred=False,
        blind=False,
        added=True,
    )
    session.add(cell)
    session.flush()
    return cell


def _latest(session: Session, person: Person, reading: Reading) -> Event:
    query = (
        select(Event)
        .where(Event.reading_id == reading.id, Event.by == person.name, Event.kind.in_(UNDOABLE))
        .order_by(Event.sequence.desc())
        .execution_options(yield_per=_EVENTS_AT_ONCE)
    )
    undone: set[int] = set()
    with session.scalars(query) as events:  # the newest first, so that whether an undo is undone is known before it
        for event in events:
            if event.sequence in undone:
                continue
            if event.undoes is None:
                return event
            undone.add(event.undoes)
    raise RefusalError(409, "nothing_to_undo", "there is nothing of yours to undo in this reading")


def _given(session: Session, reading: Reading, event_id: int) -> Event:
    event = session.get(Event, event_id)
    if event is None or event.reading_id != reading.id or event.kind not in UNDOABLE:
        raise RefusalError(409, "nothing_to_undo", f"event {event_id} is not one of this reading that can be undone")
    if session.scalar(select(Event.sequence).where(Event.undoes == event_id)) is not None:
        raise RefusalError(409, "nothing_to_undo", f"event {event_id} was undone already")
    return event
