"""Pages of cases: the worklist, the gallery, a field, signing, the second reading, comments and events."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select

from lymphoscope.review.access import Context, ReviewContext, allow
from lymphoscope.review.api import cases, readings
from lymphoscope.review.api.schema import Id, JsonObject, PathId
from lymphoscope.review.pages.images import Shared
from lymphoscope.review.pages.rendering import page, words
from lymphoscope.review.pages.report_contents import paired_rows
from lymphoscope.review.pages.routing import PageRoute
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.roles import Permission
from lymphoscope.review.tables import CASE_STATES, Cell
from lymphoscope.review.workflow.second_reading import took_part

router = APIRouter(route_class=PageRoute)
Viewer = Annotated[Person, allow(Permission.VIEW)]
Chosen = Annotated[Id | None, Query()]
After = Annotated[int, Query(ge=0, le=2**53)]

APPROVED: Final = "I have reviewed the cells and approve this count."
CORRECTED: Final = "I have reviewed the cells and corrected an earlier count."
RESPONSIBLE: Final = "I am responsible for this count; other people reviewed the cells."
SHOW_OF: Final = {"unidentified": "open", "referred_unseen": "unseen", "target": "status:suggested"}
"""Reason why a case cannot be signed -> the filter of the gallery that shows its cells."""
SECOND: Final = "second"
STATES: Final = (
    ("", "all cases"),
    *((state, words(state)) for state in CASE_STATES),
    (SECOND, "for my second reading"),
)


@router.get("/")
def worklist(person: Viewer, context: Context, state: str = "", after: After = 0) -> Response:
    """Show the cases: all, those of a state, or those that await a second reading by this person."""
    chosen: Any = state if state in CASE_STATES else None
    listed = cases.list_cases(person, context, chosen, after, queue="second" if state == SECOND else None)
    chosen = SECOND if state == SECOND else chosen
    synthetic = any(map(is_synthetic, listed["cases"]))
    return page("worklist.html.j2", person, "/", **listed, state=chosen or "", states=STATES, synthetic=synthetic)


@router.get("/cases/{case_id}")
def gallery(case_id: PathId, person: Viewer, context: Context, shared: Shared, reading: Chosen = None) -> Response:
    """Show the cells of a case."""
    case = cases.show_case(person, case_id, context)
    shared.thumbnails.prepare(shared.sprites.sheets(context.database, case_id))
    return _with_cells("case.html.j2", person, context, case, reading)


@router.get("/cases/{case_id}/cells/{cell_id}")
def permalink(case_id: PathId, cell_id: PathId, _person: Viewer, context: Context) -> Response:
    """Go to a cell in the gallery of its case."""
    with context.database.read() as session:
        if session.scalar(select(Cell.id).where(Cell.id == cell_id, Cell.case_id == case_id)) is None:
            raise not_found("cell", cell_id)
    return RedirectResponse(f"/cases/{case_id}?cell={cell_id}", status_code=303)


@router.get("/cases/{case_id}/fields/{field_id}")
def field(
    case_id: PathId, field_id: PathId, person: Viewer, context: Context, reading: Chosen = None, cell: Chosen = None
) -> Response:
    """Show a field with its cells."""
    case = cases.show_case(person, case_id, context)
    fields = case["fields"]
    at = next((at for at, one in enumerate(fields) if one["id"] == field_id), None)
    if at is None:
        raise not_found("field", field_id)
    found = fields[at]
    if not (found["width"] and found["height"]):
        raise RefusalError(404, "unavailable", "the results do not say how large this field is")
    place = {"number": at + 1, "fields": len(fields), "before": fields[at - 1] if at else None}
    place["after"] = fields[at + 1] if at + 1 < len(fields) else None
    return _with_cells("field.html.j2", person, context, case, reading, field=found, cell=cell, **place)


@router.get("/cases/{case_id}/sign")
def signing(case_id: PathId, person: Viewer, context: Context) -> Response:
    """Show the count, what is left to do, and the form of the signature."""
    case = cases.show_case(person, case_id, context)
    found = cases.show_signing(person, case_id, context)
    reading = chosen_reading(case, None)
    differential = readings.show_differential(person, reading["id"], context)
    values = {"signing": found, "open": found["open"], "signatures": case["signatures"]}
    values["meanings"] = (CORRECTED if reading["amendment"] else APPROVED, RESPONSIBLE)
    values["show_of"] = {code: show for code, show in SHOW_OF.items() if _leads_to_cells(show, reading)}
    count = {
        "rows": paired_rows(differential),
        "white_cells": differential["counted"],
        "partial": differential["partial"],
        "target": differential["target"],
    }
    return case_page("sign.html.j2", person, case, "/sign", reading=reading, **count, **values)


def _leads_to_cells(show: str, reading: JsonObject) -> bool:
    """Whether cells are left that the filter could show: a count below its target may have none to confirm."""
    return show != SHOW_OF["target"] or reading["counts"]["suggested"] > 0


@router.get("/cases/{case_id}/second")
def second(case_id: PathId, person: Viewer, context: Context) -> Response:
    """Show the second reading: how to begin it, how the readers agree, and the cells to settle."""
    case = cases.show_case(person, case_id, context)
    found = next((one for one in case["readings"][::-1] if one["role"] == "second"), None)
    done = found is not None and found["state"] != "open" and found["revision"] == case["revision"]
    primary = chosen_reading(case, None)
    listed = cases.list_classes(context, case_id)
    return case_page(
        "second.html.j2",
        person,
        case,
        "/second",
        second=found if found and found["revision"] == case["revision"] else None,
        mine=found is not None and found["reader"] == person.name,
        took_part=_took_part(context, person, case_id),
        agreement=cases.show_agreement(person, case_id, context) if done else None,
        reading=primary,
        open=primary["state"] == "open",
        titles={one["name"]: one["title"] for one in listed},
    )


def _took_part(context: ReviewContext, person: Person, case_id: int) -> bool:
    with context.database.read() as session:
        return took_part(session, person, case_id)


@router.get("/cases/{case_id}/comments")
def comments(case_id: PathId, person: Viewer, context: Context) -> Response:
    """Show the comments on a case and its cells."""
    case = cases.show_case(person, case_id, context)
    listed = cases.list_comments(person, case_id, context)
    return case_page("comments.html.j2", person, case, "/comments", comments=listed)


@router.get("/cases/{case_id}/events")
def events(case_id: PathId, person: Viewer, context: Context, after: After = 0) -> Response:
    """Show the events of a case."""
    case = cases.show_case(person, case_id, context)
    listed = cases.list_events(person, case_id, context, after)
    head = cases.show_head(context)
    titles = {one["name"]: one["title"] for one in cases.list_classes(context, case_id)}
    shown = [{**event, "details": described(event, titles)} for event in listed["events"]]
    return case_page(
        "events.html.j2", person, case, "/events", events=shown, next=listed["next"], head=head, verified=None
    )


def described(event: JsonObject, titles: Mapping[str, str]) -> str:
    """Return the data of an event in a few words; `titles` are those of the classes."""
    data = dict(event["data"])
    changes = data.pop("changes", None)
    parts = [] if changes is None else [_changed(changes, titles)]
    parts += [f"{words(name)}: {value}" for name, value in data.items() if isinstance(value, str | int | float)]
    return "; ".join(parts)[:300]


def _changed(changes: list[Any], titles: Mapping[str, str]) -> str:
    cell, old, new = changes[0]
    before, after = (
        f"{titles.get(label, label) if label else 'no class'} ({status})" for label, status, _ in (old, new)
    )
    first = f"cell {cell}: {before} to {after}"
    return first if len(changes) == 1 else f"{len(changes)} cells, {first} and others"


def chosen_reading(case: JsonObject, wanted: int | None) -> JsonObject:
    """Return a reading of a case by its id; without an id the one that the person works on."""
    number = case["reading"] if wanted is None else wanted
    found = next((one for one in case["readings"] if one["id"] == number), None)
    if found is None:
        raise not_found("reading of this case", number)
    return dict(found)


def is_writable(person: Person, reading: JsonObject) -> bool:
    """Return whether a person may change the answers of a reading."""
    hers = reading["role"] == "primary" or reading["reader"] == person.name
    return reading["state"] == "open" and hers and Permission.LABEL in person.permissions


def is_synthetic(case: JsonObject) -> bool:
    """Return whether the cells of a case were drawn by a program."""
    return bool(case["synthetic"])


def case_page(template: str, person: Person, case: JsonObject, here: str, **values: Any) -> Response:
    """Return a page about a case; `here` is the address of its entry in the case's menu."""
    return page(template, person, f"/cases/{case['id']}{here}", case=case, synthetic=is_synthetic(case), **values)


def _with_cells(
    template: str, person: Person, context: ReviewContext, case: JsonObject, wanted: int | None, **values: Any
) -> Response:
    reading = chosen_reading(case, wanted)
    listed = cases.list_classes(context, case["id"])
    writable = is_writable(person, reading)
    return case_page(template, person, case, "", reading=reading, writable=writable, classes=listed, **values)
