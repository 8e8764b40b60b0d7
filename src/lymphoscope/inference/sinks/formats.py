"""Rows of predictions in files: CSV without pandas, Parquet by pyarrow."""

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from lymphoscope.inference.rows import Row, kind_of, prediction_schema

_TYPES: dict[str, Callable[[Any], Any]] = {"text": str, "whole": int, "truth": bool, "number": float}


class Tables(Protocol):
    """One way to keep rows of predictions, with the columns `names`, in files."""

    def __init__(self, names: Sequence[str]) -> None: ...

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows as one piece of a table."""
        ...

    def rows(self, piece: Path) -> int:
        """How many rows a piece holds; -1 where it is not there or not whole."""
        ...

    def join(self, pieces: Sequence[Path], path: Path) -> int:
        """Write the pieces as one table, one in memory at a time; return how many rows have an error."""
        ...


class CsvTables:
    """Pieces are CSV without a heading; the bytes are those of evaluation's `write_predictions`.

    Written by the csv module, as pandas does: to import pandas takes longer than to predict a cell.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows without a heading."""
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(map(self._values, rows))

    def rows(self, piece: Path) -> int:
        """The rows of a piece, -1 where one is short of columns."""
        try:
            with piece.open(encoding="utf-8", newline="") as stream:
                widths = [len(row) for row in csv.reader(stream)]
        except (FileNotFoundError, UnicodeDecodeError, csv.Error):
            return -1
        return len(widths) if set(widths) <= {len(self._names)} else -1

    def join(self, pieces: Sequence[Path], path: Path) -> int:
        """Write the heading and the pieces after it."""
        with path.open("w", encoding="utf-8", newline="") as joined:
            csv.writer(joined, lineterminator="\n").writerow(self._names)
            for piece in pieces:
                with piece.open(encoding="utf-8", newline="") as stream:
                    shutil.copyfileobj(stream, joined)
        return sum(map(self._failed, pieces))

    def _values(self, row: Row) -> list[Any]:
        return [None if row.get(name) is None else _TYPES[kind_of(name)](row[name]) for name in self._names]

    def _failed(self, piece: Path) -> int:
        place = self._names.index("error")
        with piece.open(encoding="utf-8", newline="") as stream:
            return sum(row[place] != "" for row in csv.reader(stream))


class ParquetTables:
    """Pieces are Parquet files; needs the extra `parquet`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._schema = prediction_schema(names)

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows as a Parquet file."""
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows, schema=self._schema), path)

    def rows(self, piece: Path) -> int:
        """The rows of a piece."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return int(parquet.read_metadata(piece).num_rows)
        except (FileNotFoundError, pa.ArrowInvalid):
            return -1

    def join(self, pieces: Sequence[Path], path: Path) -> int:
        """Write each piece as a row group."""
        from pyarrow import parquet

        failed = 0
        with parquet.ParquetWriter(path, self._schema) as writer:
            for piece in pieces:
                table = parquet.read_table(piece, schema=self._schema)
                writer.write_table(table)
                failed += len(table) - int(table["error"].null_count)
        return failed
