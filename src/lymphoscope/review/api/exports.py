"""Downloads of a case, and the check of the audit chain."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response

from lymphoscope.review.access import Context, allow
from lymphoscope.review.api.schema import Id, JsonObject, PathId
from lymphoscope.review.export import export_format, read_codes
from lymphoscope.review.people import Person
from lymphoscope.review.report_data import record_export, report_of
from lymphoscope.review.roles import Permission
from lymphoscope.review.verification import verify

router = APIRouter()


@router.get("/api/cases/{case_id}/export/{kind}")
def export_case(
    person: Annotated[Person, allow(Permission.EXPORT)],
    case_id: PathId,
    kind: str,
    context: Context,
    reading: Annotated[Id | None, Query(description="A reading of an earlier revision, or a second one.")] = None,
) -> Response:
    """Return a case in an export format, such as csv, geojson, fhir or hl7. It says `preliminary` before signing."""
    wanted, codes = export_format(kind), read_codes(context.settings.codes)
    with context.database.write() as session:
        report = report_of(session, person, case_id, reading, with_cells=wanted.lists_cells)
        content = wanted.write(report, codes)
        record_export(session, person, report, wanted.name)
        name = f"case-{case_id}-revision-{report.reading.revision}-{report.status}{wanted.suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content.encode("utf-8"), media_type=wanted.media_type, headers=headers)


@router.get("/api/audit/verify", dependencies=[allow(Permission.AUDIT)])
def verify_chain(context: Context) -> JsonObject:
    """Check the audit chain, and the state against it."""
    found = verify(context.database)
    return {"ok": found.ok, **asdict(found)}
