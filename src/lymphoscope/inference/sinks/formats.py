"""The formats of a predictions file: CSV without pandas, and Parquet with pyarrow."""

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.rows import Row, column_type, prediction_schema
from lymphoscope.vocabulary import MODEL_ID_COLUMN

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

    def join(self, pieces: Sequence[Path], path: Path, first: Path | None = None) -> None:
        """Write the table `first` and the pieces as one table, with one of them in memory at a time."""
        ...

    def paths(self, table: Path) -> dict[str, str]:
        """Return the model id of each path of a table. Raises LymphoscopeError if its columns are not those given."""
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

    def join(self, pieces: Sequence[Path], path: Path, first: Path | None = None) -> None:
        """Write the header, or the table `first`, and the pieces."""
        with path.open("w", encoding="utf-8", newline="") as joined:
            if first is None:
                csv.writer(joined, lineterminator="\n").writerow(self._columns)
            for piece in [*([first] if first else []), *pieces]:
                with piece.open(encoding="utf-8", newline="") as stream:
                    shutil.copyfileobj(stream, joined)

    def paths(self, table: Path) -> dict[str, str]:
        """Return the model id of each path of a table."""
        try:
            with table.open(encoding="utf-8", newline="") as stream:
                rows = csv.reader(stream)
                _check_columns(table, next(rows, []), self._columns)
                path, model = self._columns.index("path"), self._columns.index(MODEL_ID_COLUMN)
                return {row[path]: row[model] for row in rows}
        except (UnicodeDecodeError, csv.Error, IndexError) as error:
            raise LymphoscopeError(f"{table} is not a table of predictions ({error}): choose another --out") from error

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

    def join(self, pieces: Sequence[Path], path: Path, first: Path | None = None) -> None:
        """Write the row groups of `first`, and each piece as a row group."""
        from pyarrow import parquet

        with parquet.ParquetWriter(path, self._schema) as writer:
            if first:
                table = parquet.ParquetFile(first)
                for group in range(table.num_row_groups):
                    writer.write_table(table.read_row_group(group).cast(self._schema))
            for piece in pieces:
                writer.write_table(parquet.read_table(piece, schema=self._schema))

    def paths(self, table: Path) -> dict[str, str]:
        """Return the model id of each path of a table."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            _check_columns(table, parquet.read_schema(table).names, self._schema.names)
            content = parquet.read_table(table, columns=["path", MODEL_ID_COLUMN])
            return dict(zip(content["path"].to_pylist(), content[MODEL_ID_COLUMN].to_pylist(), strict=True))
        except pa.ArrowInvalid as error:
            raise LymphoscopeError(f"{table} is not a table of predictions: choose another --out") from error


def _check_columns(table: Path, columns: Sequence[str], expected: Sequence[str]) -> None:
    if list(columns) != list(expected):
        raise LymphoscopeError(
            f"{table} has other columns than the predictions of this model: choose another --out, or --overwrite it"
        )


FORMATS: Mapping[str, type[Format]] = MappingProxyType({".csv": CsvFormat, ".parquet": ParquetFormat})
"""File suffix -> format."""
