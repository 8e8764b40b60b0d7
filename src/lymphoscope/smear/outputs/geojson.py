"""Cells as GeoJSON that QuPath opens: one detection per cell, with its classification and measurements.

QuPath reads a whole file into memory, so that many cells are written to several files.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from lymphoscope.files import replace_file
from lymphoscope.smear.outputs.cells_table import closed_ring
from lymphoscope.vocabulary import score_column

_NAMESPACE = uuid.UUID("6a2f3f0e-6d0c-4f0a-9d4e-3b3a9f3c5a10")
CELLS_PER_FILE = 50_000
"""About 100 MB."""
COLOURS = (
    (230, 97, 1), (31, 119, 180), (148, 103, 189), (44, 160, 44), (214, 39, 40), (140, 86, 75), (227, 119, 194),
    (127, 127, 127), (188, 189, 34), (23, 190, 207), (94, 60, 153),
)  # fmt: skip


class GeoJsonWriter:
    """Writes FeatureCollections cell by cell; the property `field` says on which field a cell lies.

    The first `per_file` cells go to `path`, the next ones to NAME-2.geojson beside it, and so on.
    """

    def __init__(
        self, path: Path, classes: Sequence[str], titles: Mapping[str, str], per_file: int = CELLS_PER_FILE
    ) -> None:
        self._path, self._per_file = path, per_file
        self._classes, self._titles = tuple(classes), titles
        self._number, self._cells = 1, 0
        self._stream = self._begin()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a cell."""
        if self._cells == self._per_file:
            self.close()
            self._number, self._cells = self._number + 1, 0
            self._stream = self._begin()
        self._stream.write(("\n" if not self._cells else ",\n") + json.dumps(self._feature(row), ensure_ascii=False))
        self._cells += 1

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._stream.write("\n]}\n")
        self._stream.close()
        replace_file(self._beside, self._file)

    @property
    def _file(self) -> Path:
        return self._path if self._number == 1 else self._path.with_stem(f"{self._path.stem}-{self._number}")

    @property
    def _beside(self) -> Path:
        return self._file.with_name(f".{self._file.name}.partial")

    def _begin(self) -> IO[str]:
        stream = self._beside.open("w", encoding="utf-8")
        stream.write('{"type":"FeatureCollection","features":[')
        return stream

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
