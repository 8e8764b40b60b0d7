"""CSV: one row per cell of a reading, with the model's suggestion and the person's answer."""

import csv
import io

from lymphoscope.review.export.codes import Codes
from lymphoscope.review.export.registry import ExportFormat
from lymphoscope.review.listing import is_hidden
from lymphoscope.review.report_data import ReportData

_COLUMNS = (
    *("cell_id", "subject", "slide", "field", "x", "y", "width", "height", "suggested", "suggested_score"),
    *("label", "status", "seen", "blind", "added", "revision", "report", "audit_head"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(report: ReportData, _codes: Codes) -> str:
    """Return the table. Text that a spreadsheet would compute is preceded by an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for cell, answer in report.cells:
        hidden = is_hidden(cell, report.reading)
        field = report.fields.get(cell.field_id or 0)
        row = {
            **{name: getattr(cell, name) for name in ("cell_id", "slide", "x", "y", "width", "height")},
            "subject": report.case.subject,
            "field": field.name if field else None,
            "suggested": None if hidden else cell.suggested,
            "suggested_score": None if hidden else cell.suggested_score,
            **{name: getattr(answer, name) for name in ("label", "status")},
            "seen": answer.seen,
            "blind": cell.blind,
            "added": cell.added,
            "revision": report.reading.revision,
            "report": report.status,
            "audit_head": report.head.hash,
        }
        writer.writerow({name: _inert(value) for name, value in row.items()})
    return out.getvalue()


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


FORMAT = ExportFormat("csv", "Cells as CSV", "text/csv; charset=utf-8", ".csv", write_csv, lists_cells=True)
