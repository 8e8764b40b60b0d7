"""The second reader: a blind reading of her own, its agreement with the first one, and adjudication."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, aliased

from lymphoscope.review import audit
from lymphoscope.review.agreement import Agreement, measure_agreement
from lymphoscope.review.clock import now
from lymphoscope.review.importing import start_answers
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.tables import Answer, Case, Event, Reading
from lymphoscope.review.workflow.changes import (
    Change,
    Value,
    change_answers,
    check_label,
    open_reading,
    refuse_case,
    require_version,
)


@dataclass(frozen=True)
class Disagreement:
    """A cell to which both readers gave a label, and not the same one."""

    cell: int
    first: str
    second: str
    present: str | None
    """Its label in the primary reading now."""
    resolved: bool


def begin_second_reading(session: Session, person: Person, case_id: int) -> Reading:
    """Open a blind second reading. Raises RefusalError for who changed the first one, and while another is open."""
    case = session.get(Case, case_id)
    if case is None:
        raise not_found("case", case_id)
    readings = session.scalars(select(Reading).where(Reading.case_id == case_id, Reading.role == "second")).all()
    if any(reading.state == "open" for reading in readings):
        raise RefusalError(409, "second_reading_exists", "a second reading of this case is open already")
    if any(reading.revision == case.revision for reading in readings):
        raise RefusalError(409, "second_reading_exists", "this revision of the case has a second reading already")
    if took_part(session, person, case_id):
        raise RefusalError(
            403, "not_allowed", "you took part in the first reading: the second reading needs another person"
        )
    reading = Reading(
        case_id=case_id,
        role="second",
        revision=case.revision,
        state="open",
        version=1,
        reader_id=person.id,
        created=now(),
    )
    session.add(reading)
    session.flush()
    start_answers(session, reading)
    audit.append(
        session, "second_reading", by=person.name, case=case_id, reading=reading.id, data={"revision": case.revision}
    )
    return reading


def second_queue(person: Person) -> ColumnElement[bool]:
    """Return the condition on a case to be in a person's queue: her open second readings, and what awaits one.

    A case awaits a second reading if its first one has begun and is open, this revision has no other, and she took no
    part in the first.
    """
    of_case = select(Reading.id).where(Reading.case_id == Case.id)
    second = of_case.where(Reading.role == "second")
    hers = second.where(Reading.state == "open", Reading.reader_id == person.id).exists()
    has_one = second.where(or_(Reading.state == "open", Reading.revision == Case.revision)).exists()
    begun = of_case.where(Reading.id == Case.primary_id, Reading.state == "open", Reading.version > 1).exists()
    in_first = select(Event.sequence).join(Reading, Reading.id == Event.reading_id)
    in_first = in_first.where(Reading.case_id == Case.id, Reading.role == "primary", Event.by == person.name)
    return or_(hers, and_(begun, ~has_one, ~in_first.exists()))


def finish_second_reading(session: Session, person: Person, reading_id: int, version: int) -> Reading:
    """Close one's own second reading; then its agreement with the first is shown."""
    reading, _ = open_reading(session, person, reading_id)
    if reading.role != "second":
        raise RefusalError(409, "not_second", "only a second reading is finished: the first one is signed")
    require_version(reading, version)
    reading.state, reading.lease_user_id, reading.lease_until = "finished", None, None
    audit.append(
        session,
        "second_reading_finished",
        by=person.name,
        case=reading.case_id,
        reading=reading.id,
        data={"version": reading.version},
    )
    return reading


def agreement_of(session: Session, person: Person, case_id: int) -> tuple[Agreement, list[Disagreement]]:
    """Return how the finished second reading agrees with the first. Raises RefusalError 409 where there is none.

    The first reader's labels are those before adjudication. Cells count to which both gave a label.
    """
    case = session.get(Case, case_id)
    if case is None:
        raise not_found("case", case_id)
    refuse_case(session, person, case_id)
    second = _finished(session, case)
    if second is None:
        raise RefusalError(409, "no_second_reading", "this case has no finished second reading")
    pairs = _pairs(session, case, second)
    return measure_agreement([(first, other) for _, first, other, _ in pairs]), _disagreements(
        pairs, _adjudicated(session, case)
    )


def open_disagreements(session: Session, case: Case) -> list[Disagreement]:
    """Return the disagreements of a finished second reading of the present revision that nobody has resolved."""
    second = _finished(session, case)
    if second is None or second.revision != case.revision:
        return []
    found = _disagreements(_pairs(session, case, second), _adjudicated(session, case))
    return [one for one in found if not one.resolved]


def adjudicate(
    session: Session, person: Person, case_id: int, version: int, cells: Sequence[int], name: str, reason: str
) -> Change:
    """Decide cells on which the readers disagree: the label goes into the primary reading."""
    case = session.get(Case, case_id)
    if case is None:
        raise not_found("case", case_id)
    _, disagreements = agreement_of(session, person, case_id)
    strange = set(cells) - {one.cell for one in disagreements}
    if strange:
        raise RefusalError(409, "no_disagreement", f"the readers do not disagree on cell {min(strange)}")
    check_label(case, session, name)
    opened = open_reading(session, person, case.primary_id or 0)
    # A label that stays is a decision as well, so that the event is written in any case.
    change = change_answers(
        session,
        person,
        opened,
        version,
        cells,
        "adjudicated",
        lambda _: Value(name, "confirmed", True),
        reason=reason,
    )
    if set(change.cells) != set(cells) or change.event is None:
        kept = sorted(set(cells) - set(change.cells if change.event else ()))
        audit.append(
            session,
            "adjudication_kept",
            by=person.name,
            case=case_id,
            reading=change.reading.id,
            reason=reason,
            data={"cells": kept, "label": name},
        )
    return change


def took_part(session: Session, person: Person, case_id: int) -> bool:
    """Whether a person has changed answers of the primary readings of a case."""
    primary = select(Reading.id).where(Reading.case_id == case_id, Reading.role == "primary")
    query = select(Event.sequence).where(Event.reading_id.in_(primary), Event.by == person.name).limit(1)
    return session.scalar(query) is not None


def _finished(session: Session, case: Case) -> Reading | None:
    query = select(Reading).where(Reading.case_id == case.id, Reading.role == "second", Reading.state == "finished")
    return session.scalar(query.order_by(Reading.id.desc()).limit(1))


def _pairs(session: Session, case: Case, second: Reading) -> list[tuple[int, str, str, str | None]]:
    """Cell, label of the first reader before adjudication, of the second, present label."""
    primary = session.scalar(
        select(Reading.id).where(
            Reading.case_id == case.id, Reading.role == "primary", Reading.revision == second.revision
        )
    )
    one, other = aliased(Answer), aliased(Answer)
    query = (
        select(one.cell_id, one.label, one.status, other.label)
        .join(other, other.cell_id == one.cell_id)
        .where(one.reading_id == primary, other.reading_id == second.id, other.status == "confirmed")
        .order_by(one.cell_id)
    )
    before = _before_adjudication(session, primary)
    rows = [
        (cell, *before.get(cell, (label, status)), mate, label) for cell, label, status, mate in session.execute(query)
    ]
    return [
        (cell, first, mate, label)
        for cell, first, status, mate, label in rows
        if status == "confirmed" and first and mate
    ]


def _before_adjudication(session: Session, primary: int | None) -> dict[int, tuple[str | None, str]]:
    """Cell -> the label and status that its first adjudication replaced."""
    query = select(Event).where(Event.reading_id == primary, Event.kind == "adjudicated").order_by(Event.sequence)
    before: dict[int, tuple[str | None, str]] = {}
    for event in session.scalars(query):
        for cell, old, _ in audit.content_of(event)["data"]["changes"]:
            before.setdefault(cell, (old[0], old[1]))
    return before


def _adjudicated(session: Session, case: Case) -> set[int]:
    """The cells whose adjudication is in effect."""
    kinds = ("adjudicated", "adjudication_kept")
    readings = select(Reading.id).where(
        Reading.case_id == case.id, Reading.role == "primary", Reading.revision == case.revision
    )
    undone = set(session.scalars(select(Event.undoes).where(Event.case_id == case.id, Event.undoes.is_not(None))))
    cells: set[int] = set()
    for event in session.scalars(select(Event).where(Event.reading_id.in_(readings), Event.kind.in_(kinds))):
        if event.sequence not in undone:
            data = audit.content_of(event)["data"]
            cells |= set(data.get("cells", [])) | {cell for cell, _, _ in data.get("changes", [])}
    return cells


def _disagreements(pairs: Sequence[tuple[int, str, str, str | None]], adjudicated: set[int]) -> list[Disagreement]:
    return [
        Disagreement(cell, first, second, present, cell in adjudicated)
        for cell, first, second, present in pairs
        if first != second
    ]
