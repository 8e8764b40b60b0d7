"""The formats of a predictions file: CSV without pandas, and Parquet with pyarrow."""

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from lymphoscope.inference.rows import Row, column_type, prediction_schema

_TYPES: dict[str, Callable[[Any], Any]] = {"text": str, "integer": int, "boolean": bool, "number": float}


class Format(Protocol):
    """A file format of tables with given columns, which are written in pieces."""

    def __init__(self, columns: Sequence[str]) -> None: ...

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows as one piece of a table."""
        ...

    def counts(self, piece: Path) -> tuple[int, int] | None:
        """Return the number of rows of a piece and how many have an error; None if it is absent or incomplete."""
        ...

    def join(self, pieces: Sequence[Path], path: Path) -> None:
        """Write the pieces as one table, with one of them in memory at a time."""
        ...


class CsvFormat:
    """CSV; pieces have no header. The bytes equal those of `write_predictions`.

    Written with the csv module, because importing pandas takes longer than predicting a cell.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._types = [_TYPES[column_type(name)] for name in columns]

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows without a header."""
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(map(self._values, rows))

    def counts(self, piece: Path) -> tuple[int, int] | None:
        """Return the number of rows and of errors; None if a row lacks columns."""
        error = self._columns.index("error")
        try:
            with piece.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.reader(stream))
        except (FileNotFoundError, UnicodeDecodeError, csv.Error):
            return None
        if any(len(row) != len(self._columns) for row in rows):
            return None
        return len(rows), sum(row[error] != "" for row in rows)

    def join(self, pieces: Sequence[Path], path: Path) -> None:
        """Write the header and the pieces."""
        with path.open("w", encoding="utf-8", newline="") as joined:
            csv.writer(joined, lineterminator="\n").writerow(self._columns)
            for piece in pieces:
                with piece.open(encoding="utf-8", newline="") as stream:
                    shutil.copyfileobj(stream, joined)

    def _values(self, row: Row) -> list[Any]:
        values = (row.get(name) for name in self._columns)
        return [None if value is None else convert(value) for convert, value in zip(self._types, values, strict=True)]


class ParquetFormat:
    """Parquet; each piece becomes a row group. Needs the extra `parquet`."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._schema = prediction_schema(columns)

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows as a Parquet file."""
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(list(rows), schema=self._schema), path)

    def counts(self, piece: Path) -> tuple[int, int] | None:
        """Return the number of rows and of errors."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            errors = parquet.read_table(piece, columns=["error"])["error"]
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
        return len(errors), len(errors) - int(errors.null_count)

    def join(self, pieces: Sequence[Path], path: Path) -> None:
        """Write each piece as a row group."""
        from pyarrow import parquet

        with parquet.ParquetWriter(path, self._schema) as writer:
            for piece in pieces:
                writer.write_table(parquet.read_table(piece, schema=self._schema))


FORMATS: Mapping[str, type[Format]] = MappingProxyType({".csv": CsvFormat, ".parquet": ParquetFormat})
"""File suffix -> format."""
