"""The formats of a predictions file: CSV without pandas, and Parquet with pyarrow."""

import csv
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.rows import Row, column_type, prediction_schema
from lymphoscope.vocabulary import MODEL_ID_COLUMN

_TYPES: dict[str, Callable[[Any], Any]] = {"text": str, "integer": int, "boolean": bool, "number": float}


class KnownCell(NamedTuple):
    """A row that a table has: the model that made it, and whether it holds an error instead of a prediction."""

    model_id: str
    failed: bool


class Format(Protocol):
    """A file format of tables with given columns, which are written in pieces."""

    def __init__(self, columns: Sequence[str]) -> None: ...

    def write(self, rows: Sequence[Row], path: Path) -> None:
        """Write rows as one piece of a table."""
        ...

    def counts(self, piece: Path) -> tuple[int, int] | None:
        """Return the number of rows of a piece and how many have an error; None if it is absent or incomplete."""
        ...

    def join(
        self, pieces: Sequence[Path], path: Path, first: Path | None = None, replaced: Collection[str] = ()
    ) -> None:
        """Write the table `first` and the pieces as one table, with one of them in memory at a time.

        Rows of `first` whose path is among `replaced` are left out.
        """
        ...

    def cells(self, table: Path) -> dict[str, KnownCell]:
        """Return what a table has, by path. Raises LymphoscopeError if its columns are not those given."""
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

    def join(
        self, pieces: Sequence[Path], path: Path, first: Path | None = None, replaced: Collection[str] = ()
    ) -> None:
        """Write the header, or the table `first`, and the pieces."""
        column = self._columns.index("path")
        with path.open("w", encoding="utf-8", newline="") as joined:
            writer = csv.writer(joined, lineterminator="\n")
            if first is None:
                writer.writerow(self._columns)
            else:
                with first.open(encoding="utf-8", newline="") as stream:
                    writer.writerows(row for row in csv.reader(stream) if row[column] not in replaced)
            for piece in pieces:
                with piece.open(encoding="utf-8", newline="") as stream:
                    shutil.copyfileobj(stream, joined)

    def cells(self, table: Path) -> dict[str, KnownCell]:
        """Return what a table has, by path."""
        try:
            with table.open(encoding="utf-8", newline="") as stream:
                rows = csv.reader(stream)
                _check_columns(table, next(rows, []), self._columns)
                path, model, error = map(self._columns.index, ("path", MODEL_ID_COLUMN, "error"))
                return {row[path]: KnownCell(row[model], row[error] != "") for row in rows}
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

    def join(
        self, pieces: Sequence[Path], path: Path, first: Path | None = None, replaced: Collection[str] = ()
    ) -> None:
        """Write the row groups of `first`, and each piece as a row group."""
        import pyarrow as pa
        from pyarrow import compute, parquet

        left_out = pa.array(list(replaced), pa.string())

        with parquet.ParquetWriter(path, self._schema) as writer:
            if first:
                table = parquet.ParquetFile(first)
                for group in range(table.num_row_groups):
                    rows = table.read_row_group(group).cast(self._schema)
                    writer.write_table(rows.filter(compute.invert(compute.is_in(rows["path"], left_out))))
            for piece in pieces:
                writer.write_table(parquet.read_table(piece, schema=self._schema))

    def cells(self, table: Path) -> dict[str, KnownCell]:
        """Return what a table has, by path."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            _check_columns(table, parquet.read_schema(table).names, self._schema.names)
            columns = ("path", MODEL_ID_COLUMN, "error")
            content = parquet.read_table(table, columns=list(columns))
            rows = zip(*(content[name].to_pylist() for name in columns), strict=True)
            return {path: KnownCell(model_id, error is not None) for path, model_id, error in rows}
        except pa.ArrowInvalid as error:
            raise LymphoscopeError(f"{table} is not a table of predictions: choose another --out") from error


def _check_columns(table: Path, columns: Sequence[str], expected: Sequence[str]) -> None:
    if list(columns) != list(expected):
        raise LymphoscopeError(
            f"{table} has other columns than the predictions of this model: choose another --out, or --overwrite it"
        )


FORMATS: Mapping[str, type[Format]] = MappingProxyType({".csv": CsvFormat, ".parquet": ParquetFormat})
"""File suffix -> format."""
