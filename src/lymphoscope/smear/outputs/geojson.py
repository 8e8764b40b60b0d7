"""Cells as GeoJSON that QuPath opens: one detection per cell, with its classification and measurements."""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lymphoscope.files import replace_file
from lymphoscope.smear.outputs.cells_table import closed_ring
from lymphoscope.vocabulary import score_column

_NAMESPACE = uuid.UUID("6a2f3f0e-6d0c-4f0a-9d4e-3b3a9f3c5a10")
COLOURS = (
    (230, 97, 1), (31, 119, 180), (148, 103, 189), (44, 160, 44), (214, 39, 40), (140, 86, 75), (227, 119, 194),
    (127, 127, 127), (188, 189, 34), (23, 190, 207), (94, 60, 153),
)  # fmt: skip


class GeoJsonWriter:
    """Writes a FeatureCollection cell by cell; the property `field` says on which field a cell lies."""

    def __init__(self, path: Path, classes: Sequence[str], titles: Mapping[str, str]) -> None:
        self._path, self._beside = path, path.with_name(f".{path.name}.partial")
        self._classes, self._titles = tuple(classes), titles
        self._stream = self._beside.open("w", encoding="utf-8")
        self._stream.write('{"type":"FeatureCollection","features":[')
        self._first = True

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a cell."""
        self._stream.write(("\n" if self._first else ",\n") + json.dumps(self._feature(row), ensure_ascii=False))
        self._first = False

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._stream.write("\n]}\n")
        self._stream.close()
        replace_file(self._beside, self._path)

    def _feature(self, row: Mapping[str, Any]) -> dict[str, Any]:
        predicted = row.get("predicted")
        measurements = {"detector score": row["detector_score"]}
        measurements |= {
            f"score {self._titles.get(name, name)}": row[score_column(name)]
            for name in self._classes
            if row.get(score_column(name)) is not None
        }
        properties: dict[str, Any] = {
            "objectType": "detection",
            "name": row["cell_id"],
            "field": row["field"],
            "measurements": measurements,
            "isLocked": False,
        }
        if predicted is not None:
            colour = COLOURS[self._classes.index(predicted) % len(COLOURS)]
            properties["classification"] = {"name": self._titles.get(predicted, predicted), "color": list(colour)}
        if row.get("refer"):
            properties["metadata"] = {"referred": str(row.get("refer_reason") or "yes")}
        return {
            "type": "Feature",
            "id": str(uuid.uuid5(_NAMESPACE, f"{row['model_id']}/{row['cell_id']}")),
            "geometry": {"type": "Polygon", "coordinates": [closed_ring(row["outline"])]},
            "properties": properties,
        }
