"""Predictions under way: whole chunks beside the output, so that a killed run goes on after the last one."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions
from lymphoscope.files import write_json, written_beside
from lymphoscope.inference.rows import Row, prediction_schema

TERMS = "run.json"


class Chunks:
    """The chunks of the predictions that will be `out`, in the hidden folder `.<name>.partial` beside it.

    `terms` is all that the rows depend on. Raises LymphoscopeError for a suffix that is neither .csv nor .parquet.
    """

    def __init__(self, out: Path, classes: Sequence[str], terms: dict[str, Any]) -> None:
        check_out(out)
        self.out = out
        self.folder = self.folder_of(out)
        self._classes = classes
        self._schema = prediction_schema(classes)
        self._terms = terms

    @staticmethod
    def folder_of(out: Path) -> Path:
        """Where the chunks of an output stand until it is whole."""
        return out.with_name(f".{out.name}.partial")

    def begun(self) -> bool:
        """Whether an unfinished run left its chunks here."""
        return (self.folder / TERMS).is_file()

    def fit(self) -> bool:
        """Whether the unfinished run had the same terms."""
        try:
            return bool(json.loads((self.folder / TERMS).read_text(encoding="utf-8")) == self._terms)
        except ValueError:
            return False

    def start(self) -> None:
        """Begin with no chunks."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        write_json(self.folder / TERMS, self._terms)

    def whole(self, sizes: Sequence[int]) -> int:
        """How many chunks from the first on are whole, given the rows that each should hold."""
        for number, rows in enumerate(sizes):
            if _rows_of(self._path(number)) != rows:
                return number
        return len(sizes)

    def write(self, number: int, rows: list[Row]) -> None:
        """Write one chunk, whole or not at all."""
        with written_beside(self._path(number)) as beside:
            pq.write_table(pa.Table.from_pylist(rows, schema=self._schema), beside)

    def finish(self, count: int) -> int:
        """Join `count` chunks into the output, one in memory at a time, remove them; return the rows with an error."""
        joined = self.folder / f"joined{self.out.suffix.lower()}"
        failed = JOINERS[joined.suffix](map(self._read, range(count)), joined, self._schema, self._classes)
        joined.replace(self.out)
        shutil.rmtree(self.folder)
        return failed

    def _read(self, number: int) -> pa.Table:
        return pq.read_table(self._path(number), schema=self._schema)

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:05d}.parquet"


def check_out(out: Path) -> None:
    """Refuse what predictions cannot be written to; raises LymphoscopeError."""
    if out.suffix.lower() not in JOINERS:
        raise LymphoscopeError(f"{out}: predictions are written as .csv or .parquet, name one of them")
    if out.is_dir():
        raise LymphoscopeError(f"{out} is a folder: name a file for the predictions")


def _rows_of(chunk: Path) -> int:
    try:
        return int(pq.read_metadata(chunk).num_rows)
    except (FileNotFoundError, pa.ArrowInvalid):
        return -1


def _join_csv(chunks: Iterator[pa.Table], out: Path, _: pa.Schema, classes: Sequence[str]) -> int:
    failed = 0
    with out.open("w", encoding="utf-8", newline="") as stream:
        for number, chunk in enumerate(chunks):
            # pandas writes it, so that the bytes are those of evaluation's write_predictions
            as_predictions(chunk.to_pandas(), classes).to_csv(stream, index=False, header=number == 0)
            failed += _failed(chunk)
    return failed


def _join_parquet(chunks: Iterator[pa.Table], out: Path, schema: pa.Schema, _: Sequence[str]) -> int:
    failed = 0
    with pq.ParquetWriter(out, schema) as writer:
        for chunk in chunks:
            writer.write_table(chunk)
            failed += _failed(chunk)
    return failed


def _failed(chunk: pa.Table) -> int:
    return len(chunk) - int(chunk["error"].null_count)


Joiner = Callable[[Iterator[pa.Table], Path, pa.Schema, Sequence[str]], int]
JOINERS: dict[str, Joiner] = {".csv": _join_csv, ".parquet": _join_parquet}
