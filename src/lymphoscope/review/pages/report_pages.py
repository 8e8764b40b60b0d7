"""The report of a case as a page and as a PDF; both are recorded as exports when they are handed out."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from lymphoscope.review import audit
from lymphoscope.review.access import Context, ReviewContext, allow
from lymphoscope.review.api import cases, readings
from lymphoscope.review.api.schema import Id, JsonObject, PathId
from lymphoscope.review.export import export_formats
from lymphoscope.review.pages.case_pages import case_page, chosen_reading, is_synthetic
from lymphoscope.review.pages.rendering import in_minutes
from lymphoscope.review.pages.report_contents import NOT_A_DEVICE, Report, Signed, paired_rows
from lymphoscope.review.pages.routing import PageRoute
from lymphoscope.review.people import Person
from lymphoscope.review.report_data import record_export, report_of as export_of
from lymphoscope.review.roles import Permission

router = APIRouter(route_class=PageRoute)
_STATES: Final = {"open": "not signed", "signed": "signed", "superseded": "superseded by an amendment"}
Chosen = Annotated[Id | None, Query()]


@router.get("/cases/{case_id}/report")
def report_page(
    case_id: PathId, person: Annotated[Person, allow(Permission.VIEW)], context: Context, reading: Chosen = None
) -> Response:
    """Show the report of a reading."""
    case = cases.show_case(person, case_id, context)
    chosen = chosen_reading(case, reading)
    return case_page(
        "report.html.j2",
        person,
        case,
        "/report",
        report=report_of(person, context, case, chosen),
        reading=chosen,
        readings=[one for one in case["readings"] if one["role"] == "primary"],
        formats=export_formats().values(),
        may_export=Permission.EXPORT in person.permissions,
        not_a_device=NOT_A_DEVICE,
    )


@router.get("/cases/{case_id}/report.pdf")
def report_file(
    case_id: PathId, person: Annotated[Person, allow(Permission.EXPORT)], context: Context, reading: Chosen = None
) -> Response:
    """Return the report as PDF. That it was handed out is an event of the audit chain."""
    from lymphoscope.review.pages.pdf import report_pdf

    case = cases.show_case(person, case_id, context)
    chosen = chosen_reading(case, reading)
    with context.database.write() as session:
        stated = export_of(session, person, case_id, chosen["id"], with_cells=False)
        record_export(session, person, stated, "pdf")
    content = report_pdf(report_of(person, context, case, chosen))
    name = f"case-{case_id}-revision-{chosen['revision']}.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


def report_of(person: Person, context: ReviewContext, case: JsonObject, reading: JsonObject) -> Report:
    """Return what the report of a reading says."""
    differential = readings.show_differential(person, reading["id"], context)
    with context.database.read() as session:
        last = audit.head(session)
    signatures = tuple(_signed(one) for one in case["signatures"] if one["reading"] == reading["id"])
    return Report(
        title=case["title"],
        standing="preliminary" if not signatures else "final" if reading["revision"] == 1 else "amended",
        synthetic=is_synthetic(case),
        facts=_facts(case, reading),
        white_cells=differential["after"]["white_cells"],
        target=differential["target"],
        partial=differential["partial"],
        rows=paired_rows(differential),
        signatures=signatures,
        agreement=_agreement(person, context, case),
        comments=tuple(
            f"{in_minutes(one['at'])}, {one['by']}: {one['text']}"
            for one in cases.list_comments(person, case["id"], context)
            if not one["withdrawn"] and one["cell"] is None
        ),
        head=(last.sequence, last.hash),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _facts(case: JsonObject, reading: JsonObject) -> tuple[tuple[str, str], ...]:
    counts, model = reading["counts"], case["model"]
    name = " ".join(str(model[key]) for key in ("name", "id") if model.get(key)) or "not stated"
    amendment = reading["amendment"]
    return (
        ("Subject (pseudonym)", case["subject"] or "not stated"),
        ("Results", f"{case['source']['folder']} ({case['source']['kind']})"),
        ("Model", name),
        ("Fields", str(len(case["fields"]))),
        ("Cells", f"{counts['cells']}, of which {counts['confirmed']} confirmed by a person"),
        ("Revision", f"{reading['revision']}, {_STATES[reading['state']]}"),
        *(
            [
                ("Opened as an amendment", f"{in_minutes(amendment['at'])}, by {amendment['by']}"),
                ("Reason of the amendment", amendment["reason"]),
            ]
            if amendment
            else []
        ),
    )


def _agreement(person: Person, context: ReviewContext, case: JsonObject) -> tuple[tuple[str, str], ...]:
    if case["second"] != "finished":
        return ()
    agreement = cases.show_agreement(person, case["id"], context)
    kappa = "not defined"
    if agreement["kappa"] is not None:
        kappa = f"{agreement['kappa']:.2f} ({agreement['kappa_low']:.2f} to {agreement['kappa_high']:.2f})"
    open_ones = sum(not one["resolved"] for one in agreement["disagreements"])
    return (
        ("Cells answered by both", str(agreement["cells"])),
        ("Cohen's kappa (95 % interval)", kappa),
        ("Different answers", f"{len(agreement['disagreements'])}, of which {open_ones} not resolved"),
    )


def _signed(one: JsonObject) -> Signed:
    return Signed(
        display_name=one["display_name"],
        name=one["by"],
        at=in_minutes(one["at"]),
        revision=one["revision"],
        meaning=one["meaning"],
        override_reason=one["override_reason"],
        content_hash=one["content_hash"],
    )
