"""Predictions as one CSV or Parquet file; the chunks lie in a hidden folder beside it until all are written."""

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import replace_file, written_beside
from lymphoscope.inference.rows import Row
from lymphoscope.inference.sinks.formats import FORMATS
from lymphoscope.inference.sinks.sink import Chunk, RunRecord, Sink, record_bytes

RECORD = "run.json"


class FileSink(Sink):
    """The file `out`, in the format of its suffix, with its chunks in the folder `.<name>.partial`.

    If `out` is a symbolic link, its target is written. `append` adds the rows to those that `out` has, without those
    of the paths `replaced`.
    Raises LymphoscopeError for a suffix other than .csv and .parquet.
    """

    def __init__(
        self,
        out: Path,
        columns: Sequence[str],
        record: RunRecord,
        sizes: Sequence[int],
        *,
        append: bool = False,
        replaced: Collection[str] = (),
    ) -> None:
        super().__init__(columns, record, sizes)
        check_output_file(out)
        self.out = out.resolve()
        self.folder = _chunk_folder(out)
        self._append, self._replaced = append, frozenset(replaced)
        self._format = FORMATS[out.suffix.lower()](columns)

    def write(self, number: int, rows: Sequence[Row]) -> Chunk:
        """Write one chunk."""
        with written_beside(self._path(number)) as beside:
            self._format.write(rows, beside)
        return Chunk(number, len(rows), sum(row.get("error") is not None for row in rows))

    def chunk(self, number: int) -> Chunk | None:
        """Return a chunk if it was written whole."""
        counts = self._format.counts(self._path(number))
        return None if counts is None else Chunk(number, *counts)

    def finish(self) -> None:
        """Join the chunks into the output, with one of them in memory at a time, and remove them."""
        joined = self.folder / f"joined{self.out.suffix.lower()}"
        pieces = [self._path(number) for number in range(len(self.sizes))]
        self._format.join(pieces, joined, self.out if self._append else None, self._replaced)
        replace_file(joined, self.out)
        shutil.rmtree(self.folder)

    def _refuse_existing(self) -> None:
        if self.out.exists() and not self._append:
            raise LymphoscopeError(
                f"{self.out} exists: --overwrite replaces it, --append adds the cells that it does not have, or choose "
                "another --out"
            )

    def _read_record(self) -> bytes | None:
        path = self.folder / RECORD
        return path.read_bytes() if path.is_file() else None

    def _start(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)
        with written_beside(self.folder / RECORD) as beside:
            beside.write_bytes(record_bytes(self.record))

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:05d}{self.out.suffix.lower()}"


def check_output_file(out: Path) -> None:
    """Raise LymphoscopeError if predictions cannot be written to a file of this name."""
    if out.suffix.lower() not in FORMATS:
        raise LymphoscopeError(f"{out}: name a file that ends in {' or '.join(FORMATS)}")
    if out.is_dir():
        raise LymphoscopeError(f"{out} is a folder: name a file for the predictions")
    if out.exists() and not out.is_file():
        raise LymphoscopeError(f"{out} is not a regular file: name a file for the predictions")
    if out.suffix.lower() == ".parquet":
        require("parquet", str(out))


def unfinished_record(out: Path) -> dict[str, Any] | None:
    """Return the record of an unfinished run for the output `out`, None if there is none that can be read."""
    try:
        record = json.loads((_chunk_folder(out) / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def existing_cells(out: Path, columns: Sequence[str], model_id: str) -> dict[str, bool]:
    """Return for the path of each cell that `out` has whether it holds an error; empty if there is no file.

    Raises LymphoscopeError if the file has other columns, or predictions of another model.
    """
    check_output_file(out)
    if not out.exists():
        return {}
    known = FORMATS[out.suffix.lower()](columns).cells(out)
    others = {cell.model_id for cell in known.values()} - {model_id}
    if others:
        raise LymphoscopeError(
            f"{out} has predictions of the model {min(map(str, others))}, this is {model_id}: "
            "choose another --out, or --overwrite it"
        )
    return {path: cell.failed for path, cell in known.items()}


def _chunk_folder(out: Path) -> Path:
    out = out.resolve()
    return out.with_name(f".{out.name}.partial")
