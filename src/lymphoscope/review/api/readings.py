"""Readings: their cells in any order, and every change of answers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review import listing, summaries
from lymphoscope.review.access import Context, allow
from lymphoscope.review.api.schema import Body, Clean, Id, JsonObject, Name, PathId, Sentence, version_of
from lymphoscope.review.counting import live_differential
from lymphoscope.review.listing import LARGEST_PAGE, Filters, Order, Sort
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import invalid, not_found
from lymphoscope.review.roles import Permission
from lymphoscope.review.tables import STATUSES, Answer, Case, Cell, Reading
from lymphoscope.review.workflow import change_batches, labels, leases, second_reading
from lymphoscope.review.workflow.changes import MOST_CELLS, NOT_A_CELL, Change, refuse_to_show

MOST_CHANGES: Final = 100

router = APIRouter(prefix="/api/readings/{reading_id}")
Viewer = Annotated[Person, allow(Permission.VIEW)]
Labeller = Annotated[Person, allow(Permission.LABEL)]
Version = Annotated[int, Depends(version_of)]
Pixels = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e7)]


class _Cells(Body):
    cells: Annotated[list[Id], Field(min_length=1, max_length=MOST_CELLS, description="Ids of cells.")]


class _Rejected(_Cells):
    reason: Annotated[Sentence | None, Field(description="Why.")] = None


class _Labels(_Rejected):
    label: Annotated[Name, Field(description="The label.")]


class _Box(Body):
    field: Annotated[Id, Field(description="Id of the field.")]
    x: Annotated[Pixels, Field(description="Left edge in pixels of the field.")]
    y: Annotated[Pixels, Field(description="Top edge in pixels of the field.")]
    width: Annotated[Pixels, Field(description="Width in pixels of the field.")]
    height: Annotated[Pixels, Field(description="Height in pixels of the field.")]
    label: Annotated[Name | None, Field(description="The label; none if it is to be decided.")] = None


class _Undo(Body):
    event: Annotated[Id | None, Field(description="The event to take back; none for the own latest.")] = None


class _OneLabel(_Labels):
    kind: Annotated[Literal["label"], Field(description="Give a label.")]


class _OneConfirmation(_Cells):
    kind: Annotated[Literal["confirm", "seen"], Field(description="Confirm the labels, or record the look.")]


class _OneRejection(_Rejected):
    kind: Annotated[Literal["not_a_cell"], Field(description="Say that these are no cells.")]


class _OneUndo(_Undo):
    kind: Annotated[Literal["undo"], Field(description="Take a change back.")]


_OneChange = Annotated[
    _OneLabel | _OneConfirmation | _OneRejection | _OneUndo,
    Field(discriminator="kind", description="A change, with what the route of that name takes."),
]


class _Changes(Body):
    changes: Annotated[
        list[_OneChange], Field(min_length=1, max_length=MOST_CHANGES, description="Changes, in their order.")
    ]


def _order(
    sort: Annotated[Sort, Query(description="The order.")] = "position",
    descending: Annotated[bool | None, Query(description="Whether it is reversed.")] = None,
    to: Annotated[Id | None, Query(description="The cell to which others are compared, for `similarity`.")] = None,
) -> Order:
    return Order(sort, descending, to)


def _filters(
    label: Annotated[Clean | None, Query(max_length=200)] = None,
    status: Annotated[str | None, Query(pattern=f"^({'|'.join(STATUSES)})$")] = None,
    referred: Annotated[bool | None, Query()] = None,
    seen: Annotated[bool | None, Query()] = None,
    field: Annotated[Id | None, Query()] = None,
    blind: Annotated[bool | None, Query()] = None,
    added: Annotated[bool | None, Query()] = None,
    undecided: Annotated[bool | None, Query(description="Cells without a label, or unidentified.")] = None,
) -> Filters:
    return Filters(label, status, referred, seen, field, blind, added, undecided)


InOrder = Annotated[Order, Depends(_order)]
Filtered = Annotated[Filters, Depends(_filters)]


@router.get("")
def show_reading(person: Viewer, reading_id: PathId, context: Context) -> JsonObject:
    """Return a reading."""
    with context.database.read() as session:
        return summaries.reading_summary(session, find_reading(session, person, reading_id))


@router.get("/cells")
def list_cells(
    person: Viewer,
    reading_id: PathId,
    context: Context,
    order: InOrder,
    filters: Filtered,
    after: Annotated[str | None, Query(max_length=4000)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 200,
) -> JsonObject:
    """Return a page of cells."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        page = listing.list_cells(session, reading, order, filters, after=after, limit=limit)
        total = listing.count_cells(session, reading, filters)
        return {"version": reading.version, "total": total, "next": page.next, "cells": page.cells}


@router.get("/index")
def list_index(person: Viewer, reading_id: PathId, context: Context, order: InOrder, filters: Filtered) -> Response:
    """Return all cells of a list, briefly and as columns: encoded here, because checking 20,000 cells takes long."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        index = {"version": reading.version, **listing.column_index(session, reading, order, filters)}
    return Response(json.dumps(index, separators=(",", ":")), media_type="application/json")


@router.get("/cells/{cell_id}")
def show_cell(person: Viewer, reading_id: PathId, cell_id: PathId, context: Context) -> JsonObject:
    """Return all that is known of a cell."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        answer, cell = session.get(Answer, (reading.id, cell_id)), session.get(Cell, cell_id)
        if answer is None or cell is None or answer.status == "absent":
            raise not_found("cell of this reading", cell_id)
        return summaries.cell_detail(session, person, reading, cell, answer)


@router.get("/next")
def show_next(
    person: Viewer, reading_id: PathId, context: Context, order: InOrder, after: Annotated[Id | None, Query()] = None
) -> JsonObject:
    """Return the next cell that needs review."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        found = listing.next_cell(session, reading, order, after)
        if found is None:
            return {"cell": None, "why": "no cell needs review"}
        cell, answer = found
        return {"cell": cell.id, "why": _why(cell, answer)}


@router.get("/changes")
def list_changes(
    person: Viewer, reading_id: PathId, context: Context, since: Annotated[int, Query(ge=0, le=2**31 - 1)]
) -> JsonObject:
    """Return the answers that were changed after a version."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        query = select(Answer.cell_id).where(Answer.reading_id == reading.id, Answer.version > since)
        changed = session.scalars(query.order_by(Answer.cell_id)).all()
        return {"version": reading.version, "cells": summaries.changed_cells(session, reading, changed)}


@router.post("/changes")
def change_cells(
    person: Labeller, reading_id: PathId, body: _Changes, version: Version, context: Context, response: Response
) -> JsonObject:
    """Make several changes at once, each with an event of its own, up to the first that is refused."""
    wanted = [change_batches.WantedChange(**one.model_dump()) for one in body.changes]
    if sum(len(one.cells) for one in wanted) > MOST_CELLS:
        raise invalid(f"changes: together at most {MOST_CELLS} cells")
    with context.database.write() as session:
        batch = change_batches.change_in_turn(session, person, reading_id, version, wanted)
        return {
            **_state_after(session, batch.reading, batch.cells, response),
            "results": [asdict(one) for one in batch.made],
            "refused": None if batch.refused is None else batch.refused.body(),
        }


@router.get("/differential")
def show_differential(person: Viewer, reading_id: PathId, context: Context) -> JsonObject:
    """Return the count, before and after."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        return asdict(live_differential(session, session.get_one(Case, reading.case_id), reading))


@router.post("/labels")
def label_cells(
    person: Labeller, reading_id: PathId, body: _Labels, version: Version, context: Context, response: Response
) -> JsonObject:
    """Give cells a label."""
    with context.database.write() as session:
        change = labels.label(session, person, reading_id, version, body.cells, body.label, reason=body.reason)
        return _shown(session, change, response)


@router.post("/confirm")
def confirm_cells(
    person: Labeller, reading_id: PathId, body: _Cells, version: Version, context: Context, response: Response
) -> JsonObject:
    """Confirm the labels that cells have."""
    with context.database.write() as session:
        return _shown(session, labels.confirm(session, person, reading_id, version, body.cells), response)


@router.post("/not-a-cell")
def reject_cells(
    person: Labeller, reading_id: PathId, body: _Rejected, version: Version, context: Context, response: Response
) -> JsonObject:
    """Say that these are no cells."""
    with context.database.write() as session:
        change = labels.label(session, person, reading_id, version, body.cells, NOT_A_CELL, reason=body.reason)
        return _shown(session, change, response)


@router.post("/seen")
def see_cells(
    person: Labeller, reading_id: PathId, body: _Cells, version: Version, context: Context, response: Response
) -> JsonObject:
    """Record that cells were looked at."""
    with context.database.write() as session:
        return _shown(session, labels.see(session, person, reading_id, version, body.cells), response)


@router.post("/cells", status_code=201)
def add_cell(
    person: Labeller, reading_id: PathId, body: _Box, version: Version, context: Context, response: Response
) -> JsonObject:
    """Add a cell that the detector missed."""
    box = (body.x, body.y, body.width, body.height)
    with context.database.write() as session:
        change = labels.add_cell(session, person, reading_id, version, field_id=body.field, box=box, name=body.label)
        return _shown(session, change, response)


@router.post("/undo")
def undo(
    person: Labeller, reading_id: PathId, body: _Undo, version: Version, context: Context, response: Response
) -> JsonObject:
    """Take back a change: the own latest, or a given one."""
    with context.database.write() as session:
        change, undone = labels.undo(session, person, reading_id, version, body.event)
        return {**_shown(session, change, response), "undone": undone}


@router.post("/lease")
def take_lease(person: Labeller, reading_id: PathId, context: Context) -> JsonObject:
    """Take or renew the lease."""
    with context.database.write() as session:
        return asdict(leases.take_lease(session, person, reading_id))


@router.delete("/lease")
def drop_lease(person: Labeller, reading_id: PathId, context: Context) -> JsonObject:
    """Give the lease back."""
    with context.database.write() as session:
        leases.drop_lease(session, person, reading_id)
    return {}


@router.post("/finish")
def finish(person: Labeller, reading_id: PathId, version: Version, context: Context) -> JsonObject:
    """Finish one's own second reading."""
    with context.database.write() as session:
        reading = second_reading.finish_second_reading(session, person, reading_id, version)
        return summaries.reading_summary(session, reading)


def find_reading(session: Session, person: Person, reading_id: int) -> Reading:
    """Return a reading that the person may see. Raises RefusalError 404 or 403 `blind`."""
    reading = session.get(Reading, reading_id)
    if reading is None:
        raise not_found("reading", reading_id)
    refuse_to_show(session, person, reading)
    return reading


def _shown(session: Session, change: Change, response: Response) -> JsonObject:
    return {"event": change.event, **_state_after(session, change.reading, change.cells, response)}


def _state_after(session: Session, reading: Reading, cells: Sequence[int], response: Response) -> JsonObject:
    response.headers["ETag"] = f'"{reading.version}"'
    return {
        "version": reading.version,
        "cells": summaries.changed_cells(session, reading, cells),
        "differential": asdict(live_differential(session, session.get_one(Case, reading.case_id), reading)),
    }


def _why(cell: Cell, answer: Answer) -> str:
    if answer.status == "unanswered":
        return "it has no label"
    if answer.label == "unidentified":
        return "it is unidentified"
    return f"it was referred: {cell.refer_reason or 'no reason given'}"
