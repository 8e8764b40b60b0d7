"""Reference cells of a class beside the cell in question.

They never show a blind reader what another one answered: confirmed cells come from the reading itself and from signed
readings of other cases; what is left is filled with the suggestions of which the model is surest, as long as nobody has
answered them in this reading.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from lymphoscope.review.access import Context
from lymphoscope.review.api.readings import Viewer, find_reading
from lymphoscope.review.api.schema import JsonObject, PathId
from lymphoscope.review.listing import hidden
from lymphoscope.review.tables import Answer, Cell, Reading

SHOWN: Final = 5

router = APIRouter()


@router.get("/readings/{reading_id}/references/{label}")
def reference_cells(person: Viewer, reading_id: PathId, label: str, context: Context) -> JsonObject:
    """Return cells of a class: case, cell, and whether a person confirmed it."""
    with context.database.read() as session:
        reading = find_reading(session, person, reading_id)
        found = list(_references(session, reading, label))
    return {"cells": found[:SHOWN]}


def _references(session: Session, reading: Reading, label: str) -> Iterator[dict[str, Any]]:
    signed = (
        select(Cell.case_id, Cell.id)
        .join(Answer, Answer.cell_id == Cell.id)
        .join(Reading, Reading.id == Answer.reading_id)
        .where(Reading.state == "signed", Reading.case_id != reading.case_id)
        .where(Answer.label == label, Answer.status == "confirmed")
    )
    own = (
        select(Cell.case_id, Cell.id)
        .join(Answer, Answer.cell_id == Cell.id)
        .where(Answer.reading_id == reading.id, Answer.label == label, Answer.status == "confirmed")
    )
    suggested = (
        select(Cell.case_id, Cell.id)
        .join(Answer, Answer.cell_id == Cell.id)
        .where(Answer.reading_id == reading.id, Answer.label == label, Answer.status == "suggested", ~hidden(reading))
    )
    for query, confirmed in ((signed, True), (own, True)):
        yield from _shown(session, query.order_by(Cell.id.desc()), confirmed)
    yield from _shown(session, suggested.order_by(Cell.suggested_score.desc(), Cell.id), confirmed=False)


def _shown(session: Session, query: Select[Any, Any], confirmed: bool) -> Iterator[dict[str, Any]]:
    for case, cell in session.execute(query.limit(SHOWN)):
        yield {"case": case, "cell": cell, "confirmed": confirmed}
