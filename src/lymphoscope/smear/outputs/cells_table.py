"""The table of cells: Parquet where pyarrow is installed, CSV otherwise; written chunk by chunk."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from lymphoscope.extras import installed
from lymphoscope.files import replace_file
from lymphoscope.inference import columns_of
from lymphoscope.inference.rows import column_type
from lymphoscope.model_file import Description

CELL_COLUMNS = (
    "cell_id", "field", "slide", "subject", "x", "y", "width", "height", "outline", "microns_per_pixel",
    "detector_score", "quality", "path", "marks", "order", "counted_as", "in_target", "sprite", "sprite_x", "sprite_y",
    "sprite_size",
)  # fmt: skip
"""The columns of a cell before those of its prediction."""
_TEXT = ("cell_id", "field", "slide", "subject", "outline", "quality", "path", "marks", "counted_as", "sprite")
_INTEGER = ("order", "sprite_x", "sprite_y", "sprite_size")


def table_columns(description: Description) -> list[str]:
    """Return the columns of the table of cells for a model."""
    return [*CELL_COLUMNS, *(name for name in columns_of(description) if name not in CELL_COLUMNS)]


class TableWriter:
    """Writes `cells.parquet`, or `cells.csv` without pyarrow, into a folder, beside and renamed at the end."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self.name = f"cells.{'parquet' if installed('pyarrow') else 'csv'}"
        self._final = folder / self.name
        self._beside = folder / f".{self.name}.partial"
        self._columns = tuple(columns)
        self._parquet = self._open_parquet() if self.name.endswith("parquet") else None
        self._text: IO[str] | None = None
        if self._parquet is None:
            self._text = self._beside.open("w", encoding="utf-8", newline="")
            self._csv = csv.writer(self._text, lineterminator="\n")
            self._csv.writerow(self._columns)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        flat = [{**row, "outline": outline_text(row["outline"])} for row in rows]
        if self._parquet is not None:
            self._write_parquet(flat)
        else:
            values = ([row.get(name) for name in self._columns] for row in flat)
            self._csv.writerows(["" if value is None else value for value in row] for row in values)

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._parquet is not None:
            self._parquet.close()
        if self._text is not None:
            self._text.close()
        replace_file(self._beside, self._final)

    def _open_parquet(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"text": pa.string(), "integer": pa.int64(), "boolean": pa.bool_(), "number": pa.float64()}
        self._schema = pa.schema([(name, types[_type(name)]) for name in self._columns])
        return pq.ParquetWriter(self._beside, self._schema)

    def _write_parquet(self, rows: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow as pa

        if rows and self._parquet is not None:
            columns = {name: [row.get(name) for row in rows] for name in self._columns}
            self._parquet.write_table(pa.table(columns, schema=self._schema))


def outline_text(outline: Sequence[Sequence[float]]) -> str:
    """Return the coordinates of a GeoJSON polygon as text: one closed ring of x, y in pixels of the field."""
    return json.dumps([closed_ring(outline)], separators=(",", ":"))


def closed_ring(outline: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return an outline whose last point is its first."""
    ring = [list(point) for point in outline]
    return ring if not ring or ring[0] == ring[-1] else [*ring, ring[0]]


def _type(name: str) -> Literal["text", "integer", "boolean", "number"]:
    if name in _TEXT:
        return "text"
    if name in _INTEGER:
        return "integer"
    return "boolean" if name == "in_target" else column_type(name)
