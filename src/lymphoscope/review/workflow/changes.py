"""Changes of answers: one transaction changes the answers, the version of the reading, and the audit chain together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.clock import now, seconds_until
from lymphoscope.review.database import remembered
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError, invalid, not_found
from lymphoscope.review.tables import Answer, Case, Cell, Reading, User
from lymphoscope.smear import CELL_CLASSES
from lymphoscope.smear.differential import UNIDENTIFIED

MOST_CELLS: Final = 5000
NOT_A_CELL: Final = "artefact"
_CHUNK: Final = 500


class Value(NamedTuple):
    """What can change of an answer."""

    label: str | None
    status: str
    seen: bool


@dataclass(frozen=True)
class Change:
    """A change that was made: the reading's new version, the number of its event (None if nothing changed)."""

    reading: Reading
    event: int | None
    cells: tuple[int, ...]


def value_of(answer: Answer) -> Value:
    """Return what can change of an answer."""
    return Value(answer.label, answer.status, answer.seen)


def open_reading(session: Session, person: Person, reading_id: int) -> tuple[Reading, Case]:
    """Return a reading that the person may change, and its case.

    Raises RefusalError: no such reading, it is closed, it is somebody else's blind one, somebody else holds the lease.
    """
    reading = session.get(Reading, reading_id)
    if reading is None:
        raise not_found("reading", reading_id)
    case = session.get_one(Case, reading.case_id)
    refuse_to_show(session, person, reading)
    if reading.state != "open":
        raise RefusalError(409, "locked_case", f"this reading is {reading.state}: its answers no longer change")
    if reading.role == "second" and reading.reader_id != person.id:
        raise RefusalError(403, "not_allowed", "this second reading belongs to another reader")
    _refuse_leased(session, person, reading)
    return reading, case


def refuse_to_show(session: Session, person: Person, reading: Reading) -> None:
    """Keep the second reader blind, and an unfinished second reading secret. Raises RefusalError."""
    if reading.role == "second":
        if reading.state == "open" and reading.reader_id != person.id:
            raise RefusalError(403, "blind", "this second reading is not finished")
    elif second_reading_of(session, person, reading.case_id) is not None:
        raise RefusalError(
            403, "blind", "finish your second reading first: until then the first one is hidden from you"
        )


def second_reading_of(session: Session, person: Person, case_id: int) -> int | None:
    """Return the open second reading that a person has of a case; None if she has none."""
    query = select(Reading.id).where(
        Reading.case_id == case_id, Reading.role == "second", Reading.state == "open", Reading.reader_id == person.id
    )
    return session.scalar(query)


def refuse_case(session: Session, person: Person, case_id: int) -> None:
    """Refuse what would show the second reader of a case the first one's answers."""
    if second_reading_of(session, person, case_id) is not None:
        raise RefusalError(
            403, "blind", "finish your second reading first: until then the first one is hidden from you"
        )


def check_label(case: Case, session: Session, label: str) -> str:
    """Return a label that cells of this case may have. Raises RefusalError for another."""
    if label not in labels_of(session, case):
        raise invalid(f"label {label!r} is no class of this case: GET /api/classes lists them")
    return label


def labels_of(session: Session, case: Case) -> list[str]:
    """Return the labels that cells of a case may have: those of the table of classes, the model's, unidentified."""
    query = select(Cell.suggested).where(Cell.case_id == case.id, Cell.suggested.is_not(None)).distinct()
    suggested = remembered(session, ("suggested_labels", case.id), lambda: session.scalars(query).all())
    return list(dict.fromkeys([*CELL_CLASSES, *(name for name in suggested if name), UNIDENTIFIED]))


def change_answers(
    session: Session,
    person: Person,
    opened: tuple[Reading, Case],
    version: int,
    cells: Sequence[int],
    kind: str,
    change: Callable[[Answer], Value],
    *,
    reason: str | None = None,
    undoes: int | None = None,
) -> Change:
    """Change the answers to `cells` of an open reading, if none of them was changed after `version` of it.

    Raises RefusalError for cells that the reading does not have; 409 `changed` with what changed.
    """
    reading, case = opened
    answers = _answers(session, reading, cells)
    refuse_changed(session, reading, version, answers)
    changed = [(answer, value) for answer in answers if (value := change(answer)) != value_of(answer)]
    if not changed:
        return Change(reading, None, tuple(cells))
    return apply(session, person, reading, case, changed, kind, reason=reason, undoes=undoes)


def apply(
    session: Session,
    person: Person,
    reading: Reading,
    case: Case,
    changed: Sequence[tuple[Answer, Value]],
    kind: str,
    *,
    reason: str | None = None,
    undoes: int | None = None,
    data: dict[str, Any] | None = None,
) -> Change:
    """Write new values and their event. The answers must be current and the reading open."""
    reading.version += 1
    if case.state == "imported":
        case.state = "in_review"
    listed = [[answer.cell_id, list(value_of(answer)), list(value)] for answer, value in changed]
    moment = now()
    rows = [
        {
            "reading_id": reading.id,
            "cell_id": answer.cell_id,
            **value._asdict(),
            "version": reading.version,
            "user_id": person.id,
            "at": moment,
        }
        for answer, value in changed
    ]
    session.flush()
    session.execute(update(Answer), rows)
    for answer, _ in changed:
        session.expire(answer)
    event = audit.append(
        session,
        kind,
        by=person.name,
        case=case.id,
        reading=reading.id,
        reason=reason,
        undoes=undoes,
        data={"version": reading.version, "changes": listed, **(data or {})},
    )
    return Change(reading, event.sequence, tuple(answer.cell_id for answer, _ in changed))


def refuse_changed(session: Session, reading: Reading, version: int, answers: Iterable[Answer]) -> None:
    """Raise RefusalError 409 if an answer was changed after `version`, with the present answers."""
    newer = [answer for answer in answers if answer.version > version]
    if version > reading.version or newer:
        names = {user.id: user.name for user in session.scalars(select(User))}
        changed = [
            {
                "id": answer.cell_id,
                **value_of(answer)._asdict(),
                "version": answer.version,
                "by": names.get(answer.user_id or 0),
                "at": answer.at,
            }
            for answer in newer
        ]
        raise RefusalError(
            409,
            "changed",
            f"{len(changed)} of these cells were changed since you saw them",
            version=reading.version,
            changed=changed,
        )


def require_version(reading: Reading, version: int) -> None:
    """Raise RefusalError 409 if the reading is no longer at `version`."""
    if reading.version != version:
        raise RefusalError(
            409,
            "changed",
            "the answers were changed since you saw them: load the page again",
            version=reading.version,
            changed=[],
        )


def answers_to(session: Session, reading: Reading, cells: Sequence[int]) -> list[Answer]:
    """Return the answers to cells of a reading, in the order of the cells; absent cells have none."""
    found: dict[int, Answer] = {}
    for start in range(0, len(cells), _CHUNK):
        part = cells[start : start + _CHUNK]
        query = select(Answer).where(Answer.reading_id == reading.id, Answer.cell_id.in_(part))
        found |= {answer.cell_id: answer for answer in session.scalars(query)}
    return [found[cell] for cell in cells if cell in found]


def _answers(session: Session, reading: Reading, cells: Sequence[int]) -> list[Answer]:
    if not 1 <= len(cells) <= MOST_CELLS:
        raise invalid(f"cells: give 1 to {MOST_CELLS}")
    if len(set(cells)) < len(cells):
        raise invalid("cells: one is listed twice")
    answers = [answer for answer in answers_to(session, reading, cells) if answer.status != "absent"]
    if len(answers) < len(cells):
        missing = sorted(set(cells) - {answer.cell_id for answer in answers})
        raise not_found("cell of this reading", missing[0])
    return answers


def _refuse_leased(session: Session, person: Person, reading: Reading) -> None:
    if reading.lease_user_id in (None, person.id) or seconds_until(reading.lease_until or now()) <= 0:
        return
    holder = session.get_one(User, reading.lease_user_id)
    raise RefusalError(
        423, "leased", f"{holder.display_name} is working on this case", by=holder.name, until=reading.lease_until
    )
