"""Cases: the worklist, import, comments, events, the second reader, signing and amending."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review import audit, summaries
from lymphoscope.review.access import Context, address_of, allow
from lymphoscope.review.api.schema import Body, Id, JsonObject, Name, PathId, Secret, Sentence, version_of
from lymphoscope.review.importing import import_results
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import invalid, not_found
from lymphoscope.review.roles import Permission
from lymphoscope.review.sessions import check_password
from lymphoscope.review.tables import CASE_STATES, Case, Event, Reading, Signature
from lymphoscope.review.workflow import changes, comments, second_reading, signing
from lymphoscope.smear.cell_classes import CELL_CLASSES, cell_class
from lymphoscope.smear.differential import UNIDENTIFIED

router = APIRouter()
Viewer = Annotated[Person, allow(Permission.VIEW)]
Version = Annotated[int, Depends(version_of)]


class _Folder(Body):
    folder: Annotated[Sentence, Field(description="Results folder or table, below a folder that the server was given.")]


class _NewComment(Body):
    text: Annotated[Sentence, Field(description="The comment.")]
    cell: Annotated[Id | None, Field(description="The cell that it is about; none for the case.")] = None


class _Signature(Body):
    password: Annotated[Secret, Field(description="The password, again.")] = ""
    meaning: Annotated[Sentence, Field(description="What the signature means, for example: reviewed and approved.")]
    override_reason: Annotated[
        Sentence | None, Field(description="Why it is signed although something is left to do.")
    ] = None


class _Reason(Body):
    reason: Annotated[Sentence, Field(description="Why.")]


class _Adjudication(Body):
    cells: Annotated[list[Id], Field(min_length=1, max_length=changes.MOST_CELLS, description="Cells to decide.")]
    label: Annotated[Name, Field(description="Their label.")]
    reason: Annotated[Sentence, Field(description="Why.")]


@router.get("/api/classes", dependencies=[allow(Permission.VIEW)])
def list_classes(context: Context, case: Annotated[Id | None, Query()] = None) -> list[JsonObject]:
    """List the labels that cells may have; with `case`, those of this case."""
    with context.database.read() as session:
        found = session.get(Case, case) if case else session.scalar(select(Case).limit(1))
        names = changes.labels_of(session, found) if found else [*CELL_CLASSES, UNIDENTIFIED]
    known = [cell_class(name) for name in names]
    return [{"name": one.name, "title": one.title, "counted": one.counting, "is_blast": one.is_blast} for one in known]


@router.get("/api/cases")
def list_cases(
    person: Viewer,
    context: Context,
    state: Annotated[Literal["imported", "in_review", "signed", "amended"] | None, Query()] = None,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    queue: Annotated[Literal["second"] | None, Query()] = None,
) -> JsonObject:
    """List the cases, the oldest first; with `queue=second` those that await a second reading by this person."""
    query = select(Case).where(Case.id > after).order_by(Case.id).limit(limit + 1)
    if state in CASE_STATES:
        query = query.where(Case.state == state)
    if queue == "second":
        query = query.where(second_reading.second_queue(person))
    with context.database.read() as session:
        found = session.scalars(query).all()
        shown = [summaries.case_summary(session, person, case) for case in found[:limit]]
    return {"cases": shown, "next": found[limit - 1].id if len(found) > limit else None}


@router.post("/api/cases/import")
def import_folder(person: Annotated[Person, allow(Permission.IMPORT)], body: _Folder, context: Context) -> JsonObject:
    """Import results that lie below a folder that the server was given; again without effect."""
    path = Path(body.folder).resolve()
    roots = [root.resolve() for root in context.settings.roots]
    if not any(path.is_relative_to(root) for root in roots):
        raise invalid("folder: it is not below a folder that the server was started with")
    done = import_results(context.database, path, context.settings, by=person.name)
    return {"cases": list(done.cases), "new": done.new}


@router.get("/api/cases/{case_id}")
def show_case(person: Viewer, case_id: PathId, context: Context) -> JsonObject:
    """Return a case with its readings and fields."""
    with context.database.read() as session:
        return summaries.case_detail(session, person, find_case(session, case_id))


@router.get("/api/cases/{case_id}/comments")
def list_comments(person: Viewer, case_id: PathId, context: Context) -> list[JsonObject]:
    """List the comments on a case and its cells."""
    with context.database.read() as session:
        return summaries.comment_list(session, person, find_case(session, case_id).id)


@router.post("/api/cases/{case_id}/comments", status_code=201)
def add_comment(
    person: Annotated[Person, allow(Permission.COMMENT)], case_id: PathId, body: _NewComment, context: Context
) -> JsonObject:
    """Comment on a case or a cell."""
    with context.database.write() as session:
        added = comments.comment(session, person, case_id, body.text, body.cell)
        return {"id": added.id, "by": person.name, "at": added.at, "text": added.text, "cell": added.cell_id}


@router.delete("/api/comments/{comment_id}")
def withdraw_comment(
    person: Annotated[Person, allow(Permission.COMMENT)], comment_id: PathId, context: Context
) -> JsonObject:
    """Withdraw one's own comment."""
    with context.database.write() as session:
        comments.withdraw(session, person, comment_id)
    return {}


@router.get("/api/cases/{case_id}/events")
def list_events(
    person: Viewer,
    case_id: PathId,
    context: Context,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> JsonObject:
    """List the events of a case, the oldest first; those of an unfinished second reading only to its reader."""
    with context.database.read() as session:
        changes.refuse_case(session, person, find_case(session, case_id).id)
        secret = select(Reading.id).where(Reading.case_id == case_id, Reading.role == "second", Reading.state == "open")
        query = select(Event).where(Event.case_id == case_id, Event.sequence > after)
        query = query.where(Event.reading_id.is_(None) | Event.reading_id.not_in(secret))
        found = session.scalars(query.order_by(Event.sequence).limit(limit + 1)).all()
        shown = [summaries.event_summary(event) for event in found[:limit]]
    return {"events": shown, "next": found[limit - 1].sequence if len(found) > limit else None}


@router.post("/api/cases/{case_id}/second-reading", status_code=201)
def second_reader(person: Annotated[Person, allow(Permission.LABEL)], case_id: PathId, context: Context) -> JsonObject:
    """Begin a blind second reading of a case."""
    with context.database.write() as session:
        reading = second_reading.begin_second_reading(session, person, case_id)
        return summaries.reading_summary(session, reading)


@router.get("/api/cases/{case_id}/agreement")
def show_agreement(person: Viewer, case_id: PathId, context: Context) -> JsonObject:
    """Return how the readers agree."""
    with context.database.read() as session:
        found, disagreements = second_reading.agreement_of(session, person, case_id)
    return {**asdict(found), "disagreements": [asdict(one) for one in disagreements]}


@router.post("/api/cases/{case_id}/adjudicate")
def adjudicate(
    person: Annotated[Person, allow(Permission.ADJUDICATE)],
    case_id: PathId,
    body: _Adjudication,
    version: Version,
    context: Context,
    response: Response,
) -> JsonObject:
    """Decide cells on which the readers disagree."""
    with context.database.write() as session:
        change = second_reading.adjudicate(session, person, case_id, version, body.cells, body.label, body.reason)
        response.headers["ETag"] = f'"{change.reading.version}"'
        cells = summaries.changed_cells(session, change.reading, change.cells)
        return {"version": change.reading.version, "event": change.event, "cells": cells}


@router.get("/api/cases/{case_id}/signing")
def show_signing(person: Viewer, case_id: PathId, context: Context) -> JsonObject:
    """Return what must be done before a case can be signed."""
    with context.database.read() as session:
        case = find_case(session, case_id)
        changes.refuse_case(session, person, case_id)
        found = signing.blockers(session, case)
        is_open = signing.primary_of(session, case).state == "open"
    return {"ready": is_open and not found, "open": is_open, "blockers": [asdict(one) for one in found]}


@router.post("/api/cases/{case_id}/sign", status_code=201)
def sign(
    person: Annotated[Person, allow(Permission.SIGN)],
    case_id: PathId,
    body: _Signature,
    version: Version,
    request: Request,
    context: Context,
) -> JsonObject:
    """Sign the count: the password again, and the exact version that was seen."""
    check_password(context.database, person, body.password, address=address_of(request))
    with context.database.write() as session:
        signature = signing.sign(
            session, person, case_id, version, meaning=body.meaning, override_reason=body.override_reason
        )
        return summaries.signature_summary(signature)


@router.post("/api/cases/{case_id}/amend", status_code=201)
def amend(
    person: Annotated[Person, allow(Permission.AMEND)], case_id: PathId, body: _Reason, context: Context
) -> JsonObject:
    """Open a new revision of a signed case."""
    with context.database.write() as session:
        return summaries.case_summary(session, person, signing.amend(session, person, case_id, body.reason))


@router.get("/api/cases/{case_id}/signatures", dependencies=[allow(Permission.VIEW)])
def list_signatures(case_id: PathId, context: Context) -> list[JsonObject]:
    """List the signatures of a case."""
    with context.database.read() as session:
        find_case(session, case_id)
        query = select(Signature).where(Signature.case_id == case_id).order_by(Signature.id)
        return [summaries.signature_summary(one) for one in session.scalars(query)]


@router.get("/api/audit/head", dependencies=[allow(Permission.VIEW)])
def show_head(context: Context) -> JsonObject:
    """Return the head of the audit chain."""
    with context.database.read() as session:
        return asdict(audit.head(session))


def find_case(session: Session, case_id: int) -> Case:
    """Return a case. Raises RefusalError 404."""
    case = session.get(Case, case_id)
    if case is None:
        raise not_found("case", case_id)
    return case
