"""Predictions under way: whole chunks beside the output, so that a killed run goes on after the last one."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import write_json, written_beside
from lymphoscope.inference.rows import Row
from lymphoscope.inference.sinks.formats import CsvTables, ParquetTables, Tables

TERMS = "run.json"
KINDS: dict[str, type[Tables]] = {".csv": CsvTables, ".parquet": ParquetTables}


class Chunks:
    """The chunks of the predictions that will be `out`, in the hidden folder `.<name>.partial` beside it.

    `names` are its columns (`columns_of`), `terms` is all that the rows depend on.
    Raises LymphoscopeError for a suffix that is neither .csv nor .parquet.
    """

    def __init__(self, out: Path, names: Sequence[str], terms: dict[str, Any]) -> None:
        check_out(out)
        self.out = out
        self.folder = self.folder_of(out)
        self._tables = KINDS[out.suffix.lower()](names)
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
            if self._tables.rows(self._path(number)) != rows:
                return number
        return len(sizes)

    def write(self, number: int, rows: list[Row]) -> None:
        """Write one chunk, whole or not at all."""
        with written_beside(self._path(number)) as beside:
            self._tables.write(rows, beside)

    def finish(self, count: int) -> int:
        """Join `count` chunks into the output, one in memory at a time, remove them; return the rows with an error."""
        joined = self.folder / f"joined{self.out.suffix.lower()}"
        failed = self._tables.join([self._path(number) for number in range(count)], joined)
        joined.replace(self.out)
        shutil.rmtree(self.folder)
        return failed

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:05d}{self.out.suffix.lower()}"


def check_out(out: Path) -> None:
    """Refuse what predictions cannot be written to; raises LymphoscopeError."""
    if out.suffix.lower() not in KINDS:
        raise LymphoscopeError(f"{out}: predictions are written as .csv or .parquet, name one of them")
    if out.is_dir():
        raise LymphoscopeError(f"{out} is a folder: name a file for the predictions")
    if out.suffix.lower() == ".parquet":
        require("parquet", str(out))
