"""Signing a count: what must be done before, what the signature binds, and amendments after it."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.clock import now
from lymphoscope.review.counting import confirmed_counts, white_cells_in
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.tables import Answer, Case, Cell, Event, Reading, Signature, Source
from lymphoscope.review.workflow.changes import open_reading, refuse_case, require_version
from lymphoscope.review.workflow.second_reading import open_disagreements
from lymphoscope.smear.differential import UNIDENTIFIED


@dataclass(frozen=True)
class Blocker:
    """Something that must be done before signing, or be overridden with a reason."""

    code: str
    count: int
    message: str


def blockers(session: Session, case: Case) -> list[Blocker]:
    """Return what must be done before a case can be signed."""
    reading = primary_of(session, case)
    answers = select(func.count()).select_from(Answer).where(Answer.reading_id == reading.id)
    unidentified = session.scalar(
        answers.where((Answer.status == "unanswered") | ((Answer.label == UNIDENTIFIED) & (Answer.status != "absent")))
    )
    referred = session.scalar(
        answers.join(Cell, Cell.id == Answer.cell_id).where(Cell.referred, ~Answer.seen, Answer.status != "absent")
    )
    counted = white_cells_in(confirmed_counts(session, reading))
    second = session.scalar(
        select(func.count())
        .select_from(Reading)
        .where(Reading.case_id == case.id, Reading.role == "second", Reading.state == "open")
    )
    disagreements = len(open_disagreements(session, case))
    found = [
        Blocker("unidentified", unidentified or 0, f"{_cells(unidentified, 'has', 'have')} no class"),
        Blocker(
            "referred_unseen",
            referred or 0,
            f"{_cells(referred, 'that the model referred was', 'that the model referred were')} not looked at",
        ),
        Blocker(
            "target", max(0, case.target - counted), f"{counted} of {case.target} white cells are confirmed by a person"
        ),
        Blocker("second_reading_open", second or 0, "a second reading is not finished"),
        Blocker("disagreements", disagreements, f"disagreements of the readers that are not resolved: {disagreements}"),
    ]
    return [one for one in found if one.count]


def sign(
    session: Session, person: Person, case_id: int, version: int, *, meaning: str, override_reason: str | None
) -> Signature:
    """Sign the present answers; the password must have been checked just before.

    Raises RefusalError 409 `cannot_sign` with the blockers if there is no reason to override them, `changed` if the
    answers are not those that the signer saw.
    """
    case = _case(session, case_id)
    refuse_case(session, person, case_id)
    reading, _ = open_reading(session, person, primary_of(session, case).id)
    require_version(reading, version)
    open_points = blockers(session, case)
    if open_points and not override_reason:
        listed = [asdict(one) for one in open_points]
        raise RefusalError(409, "cannot_sign", "; ".join(one.message for one in open_points), blockers=listed)
    reading.state, reading.lease_user_id, reading.lease_until = "signed", None, None
    case.state = "signed" if case.revision == 1 else "amended"
    content_hash = audit.digest(audit.canonical(signed_content(session, case, reading)))
    event = audit.append(
        session,
        "signed",
        by=person.name,
        case=case.id,
        reading=reading.id,
        reason=override_reason,
        data={
            "revision": case.revision,
            "meaning": meaning,
            "display_name": person.display_name,
            "content_hash": content_hash,
            "overridden": {one.code: one.count for one in open_points},
        },
    )
    signature = Signature(
        case_id=case.id,
        reading_id=reading.id,
        revision=case.revision,
        by=person.name,
        display_name=person.display_name,
        at=event.at,
        meaning=meaning,
        override_reason=override_reason if open_points else None,
        content_hash=content_hash,
        event=event.sequence,
        head=event.hash,
    )
    session.add(signature)
    session.flush()
    return signature


def signed_content(session: Session, case: Case, reading: Reading) -> dict[str, Any]:
    """Return what a signature binds: the case, its source, and every answer of the reading with its cell's id."""
    columns = (Cell.cell_id, Answer.label, Answer.status, Answer.seen)
    query = select(*columns).join(Cell, Cell.id == Answer.cell_id).where(Answer.reading_id == reading.id)
    answers = [list(row) for row in session.execute(query.order_by(Cell.position, Cell.id))]
    counts = Counter(label for _, label, status, _ in answers if status == "confirmed")
    return {
        "case": case.id,
        "subject": case.subject,
        "source_hash": session.get_one(Source, case.source_id).hash,
        "cells_hash": case.cells_hash,
        "revision": reading.revision,
        "reading": reading.id,
        "counts": dict(sorted(counts.items())),
        "answers": answers,
    }


def amend(session: Session, person: Person, case_id: int, reason: str) -> Case:
    """Open a new revision of a signed case: a copy of its answers that can be changed. The old one stays as it is."""
    case = _case(session, case_id)
    refuse_case(session, person, case_id)
    old = primary_of(session, case)
    if old.state != "signed":
        raise RefusalError(409, "not_signed", "only a signed case is amended: change its answers as they are")
    new = Reading(case_id=case.id, role="primary", revision=case.revision + 1, state="open", version=1, created=now())
    session.add(new)
    session.flush()
    names = ("cell_id", "label", "status", "seen", "user_id", "at")
    rows = session.execute(
        select(*(getattr(Answer, name) for name in names)).where(Answer.reading_id == old.id, Answer.status != "absent")
    )
    session.execute(insert(Answer), [{"reading_id": new.id, "version": 1, **row._asdict()} for row in rows])
    case.revision, case.primary_id, case.state = new.revision, new.id, "in_review"
    audit.append(
        session,
        "amended",
        by=person.name,
        case=case.id,
        reading=new.id,
        reason=reason,
        data={"revision": new.revision, "from_reading": old.id},
    )
    return case


def amendment_of(session: Session, reading: Reading) -> dict[str, str] | None:
    """Return who opened a reading as an amendment, when and why (`by`, `at`, `reason`); None if it is no amendment."""
    if reading.revision == 1 or reading.role != "primary":
        return None
    opened = select(Event).where(Event.kind == "amended", Event.reading_id == reading.id)
    body = audit.content_of(session.scalars(opened).one())
    return {name: body[name] for name in ("by", "at", "reason")}


def primary_of(session: Session, case: Case) -> Reading:
    """Return the reading of a case's present revision."""
    return session.get_one(Reading, case.primary_id)


def _cells(count: int | None, one: str, many: str) -> str:
    return f"1 cell {one}" if count == 1 else f"{count} cells {many}"


def _case(session: Session, case_id: int) -> Case:
    case = session.get(Case, case_id)
    if case is None:
        raise not_found("case", case_id)
    return case
