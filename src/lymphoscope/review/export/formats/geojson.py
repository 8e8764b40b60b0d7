"""GeoJSON as QuPath reads it: the cells with their answers as annotations, in pixels of the field."""

import json
from typing import Any

from lymphoscope.review.export.codes import Codes
from lymphoscope.review.export.registry import ExportFormat
from lymphoscope.review.report_data import ReportData
from lymphoscope.review.tables import Answer, Cell
from lymphoscope.smear.cell_classes import cell_class


def write_geojson(report: ReportData, _codes: Codes) -> str:
    """Return a FeatureCollection; each feature names its field. Cells without a box on a field are left out."""
    features = [
        _feature(cell, answer, report) for cell, answer in report.cells if cell.x is not None and cell.y is not None
    ]
    collection = {
        "type": "FeatureCollection",
        "features": features,
        "lymphoscope": {
            "case": report.case.id,
            "revision": report.reading.revision,
            "status": report.status,
            "audit_head": report.head.hash,
            "cells_without_position": len(report.cells) - len(features),
        },
    }
    return json.dumps(collection, ensure_ascii=False)


def _feature(cell: Cell, answer: Answer, report: ReportData) -> dict[str, Any]:
    field = report.fields.get(cell.field_id or 0)
    label = answer.label if answer.status == "confirmed" else None
    properties: dict[str, Any] = {
        "objectType": "annotation",
        "name": cell.cell_id,
        "metadata": {
            "field": field.name if field else "",
            "status": answer.status,
            "revision": report.reading.revision,
        },
    }
    if label is not None:
        properties["classification"] = {"name": cell_class(label).title}
    return {
        "type": "Feature",
        "id": str(cell.id),
        "geometry": {"type": "Polygon", "coordinates": [_ring(cell)]},
        "properties": properties,
    }


def _ring(cell: Cell) -> list[list[float]]:
    """The closed outline, or the box where there is none."""
    if cell.outline and len(cell.outline) >= 3:
        points = [[float(x), float(y)] for x, y in cell.outline]
    else:
        x, y, width, height = cell.x or 0.0, cell.y or 0.0, cell.width or 1.0, cell.height or 1.0
        points = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return points if points[0] == points[-1] else [*points, points[0]]


FORMAT = ExportFormat(
    "geojson", "Annotations for QuPath (GeoJSON)", "application/geo+json", ".geojson", write_geojson, lists_cells=True
)
