"""Cases and readings as the API shows them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, case as when, func, select
from sqlalchemy.orm import Session

from lymphoscope.review.audit import content_of
from lymphoscope.review.listing import is_hidden, shown_cell, user_names
from lymphoscope.review.people import Person
from lymphoscope.review.tables import Answer, Case, Cell, Comment, Event, Field, Reading, Signature, Source
from lymphoscope.review.workflow.changes import second_reading_of
from lymphoscope.review.workflow.leases import lease_of
from lymphoscope.review.workflow.signing import amendment_of
from lymphoscope.smear.differential import UNIDENTIFIED


def case_summary(
    session: Session, person: Person, case: Case, counts: Mapping[int, dict[str, int]] | None = None
) -> dict[str, Any]:
    """Return a case for the worklist; to its second reader with the counts of her own reading.

    `counts` are those of its readings by id, where they are known.
    """
    source = session.get_one(Source, case.source_id)
    reading = session.get_one(Reading, second_reading_of(session, person, case.id) or case.primary_id)
    signatures = session.scalars(select(Signature).where(Signature.case_id == case.id).order_by(Signature.id))
    return {
        "id": case.id,
        "subject": case.subject,
        "title": case.title,
        "state": case.state,
        "revision": case.revision,
        "target": case.target,
        "created": case.created,
        "synthetic": bool(source.model.get("synthetic")),
        "source": {"folder": source.folder.rpartition("/")[2], "kind": source.kind, "hash": source.hash},
        **(counts[reading.id] if counts else reading_counts(session, reading)),
        "reading": reading.id,
        "second": _second_state(session, case),
        "lease": _lease(session, reading),
        "signatures": [signature_summary(one) for one in signatures],
    }


def case_detail(session: Session, person: Person, case: Case) -> dict[str, Any]:
    """Return a case with its readings, fields and model."""
    readings = session.scalars(select(Reading).where(Reading.case_id == case.id).order_by(Reading.id)).all()
    fields = session.scalars(select(Field).where(Field.case_id == case.id).order_by(Field.id))
    names = ("id", "name", "slide", "width", "height", "microns_per_pixel", "quality")
    blind = second_reading_of(session, person, case.id)
    listed = [reading_summary(session, one) for one in readings if blind is None or one.id == blind]
    return {
        **case_summary(session, person, case, {one["id"]: one["counts"] for one in listed}),
        "readings": listed,
        "fields": [{name: getattr(field, name) for name in names} for field in fields],
        "model": session.get_one(Source, case.source_id).model,
    }


def reading_summary(session: Session, reading: Reading) -> dict[str, Any]:
    """Return a reading."""
    return {
        "id": reading.id,
        "case": reading.case_id,
        "role": reading.role,
        "revision": reading.revision,
        "state": reading.state,
        "version": reading.version,
        "reader": user_names(session).get(reading.reader_id or 0),
        "created": reading.created,
        "amendment": amendment_of(session, reading),
        "lease": _lease(session, reading),
        "counts": reading_counts(session, reading),
    }


def reading_counts(session: Session, reading: Reading) -> dict[str, int]:
    """Return how far a reading is: cells by state, and what must still be looked at."""
    unseen = and_(Cell.referred, ~Answer.seen)
    query = (
        select(
            Answer.status,
            func.count(),
            func.sum(when((unseen, 1), else_=0)),
            func.sum(when((Answer.label == UNIDENTIFIED, 1), else_=0)),
        )
        .join(Cell, Cell.id == Answer.cell_id)
        .where(Answer.reading_id == reading.id, Answer.status != "absent")
        .group_by(Answer.status)
    )
    rows = session.execute(query).all()
    by_status = {row[0]: int(row[1]) for row in rows}
    return {
        "cells": sum(by_status.values()),
        "confirmed": by_status.get("confirmed", 0),
        "suggested": by_status.get("suggested", 0),
        "unanswered": by_status.get("unanswered", 0),
        "unidentified": sum(int(row[3]) for row in rows),
        "referred_unseen": sum(int(row[2]) for row in rows),
    }


def cell_detail(session: Session, person: Person, reading: Reading, cell: Cell, answer: Answer) -> dict[str, Any]:
    """Return a cell with its scores, its outline, its history in the reading, and its comments."""
    return {
        **shown_cell(cell, answer, reading, user_names(session)),
        "slide": cell.slide,
        "detector_score": cell.detector_score,
        "scores": None if is_hidden(cell, reading) else cell.scores,
        "outline": cell.outline,
        "history": _history(session, reading, cell),
        "comments": comment_list(session, person, cell.case_id, cell.id),
    }


def comment_list(session: Session, person: Person, case_id: int, cell_id: int | None = None) -> list[dict[str, Any]]:
    """Return the comments of a case, or of one cell, that a person may see: blind readers see only their own."""
    query = select(Comment).where(Comment.case_id == case_id).order_by(Comment.id)
    if cell_id is not None:
        query = query.where(Comment.cell_id == cell_id)
    blind = second_reading_of(session, person, case_id)
    names = user_names(session)
    return [_comment(one, names) for one in session.scalars(query) if _may_see(session, person, one, blind)]


def signature_summary(signature: Signature) -> dict[str, Any]:
    """Return a signature."""
    names = ["by", "display_name", "at", "meaning", "override_reason", "content_hash", "revision", "event", "head"]
    return {**{name: getattr(signature, name) for name in names}, "reading": signature.reading_id}


def event_summary(event: Event) -> dict[str, Any]:
    """Return an event of the audit chain."""
    body = content_of(event)
    names = ("sequence", "at", "by", "kind", "reading", "reason", "undoes", "data")
    return {**{name: body[name] for name in names}, "hash": event.hash}


def changed_cells(session: Session, reading: Reading, cells: Iterable[int]) -> list[dict[str, Any]]:
    """Return the present answers to cells, briefly."""
    wanted = list(cells)
    found: list[Answer] = []
    for start in range(0, len(wanted), 500):
        query = select(Answer).where(Answer.reading_id == reading.id, Answer.cell_id.in_(wanted[start : start + 500]))
        found += session.scalars(query.order_by(Answer.cell_id)).all()
    return [
        {"id": one.cell_id, "label": one.label, "status": one.status, "seen": one.seen, "version": one.version}
        for one in found
    ]


def _lease(session: Session, reading: Reading) -> dict[str, str] | None:
    lease = lease_of(session, reading)
    return None if lease is None else asdict(lease)


def _second_state(session: Session, case: Case) -> str | None:
    query = select(Reading.state).where(
        Reading.case_id == case.id, Reading.role == "second", Reading.revision == case.revision
    )
    return session.scalar(query.limit(1))


def _history(session: Session, reading: Reading, cell: Cell) -> list[dict[str, Any]]:
    """The events that changed a cell in a reading, the oldest first; most cells have none, and need no search."""
    answer = session.get(Answer, (reading.id, cell.id))
    if answer is None or answer.at is None:
        return []
    marker = f"[{cell.id},["  # as canonical JSON writes a change; what only looks like one is dropped below
    query = select(Event).where(Event.reading_id == reading.id, Event.body.contains(marker, autoescape=True))
    found = []
    for event in session.scalars(query.order_by(Event.sequence)):
        changes = content_of(event)["data"].get("changes", [])
        found += [
            {"event": event.sequence, "kind": event.kind, "by": event.by, "at": event.at, "old": old, "new": new}
            for changed, old, new in changes
            if changed == cell.id
        ]
    return found


def _may_see(session: Session, person: Person, comment: Comment, blind: int | None) -> bool:
    if blind is not None:
        return comment.user_id == person.id
    if comment.reading_id is None or comment.user_id == person.id:
        return True
    return session.get_one(Reading, comment.reading_id).state != "open"


def _comment(comment: Comment, names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": comment.id,
        "by": names.get(comment.user_id),
        "at": comment.at,
        "text": None if comment.withdrawn else comment.text,
        "cell": comment.cell_id,
        "withdrawn": comment.withdrawn,
    }
