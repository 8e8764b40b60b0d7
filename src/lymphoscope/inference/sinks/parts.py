"""Predictions as a folder of Parquet parts, on this machine or in an object store: each part whole or not there."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import written_beside
from lymphoscope.inference.remote import file_system
from lymphoscope.inference.rows import Row, prediction_schema

TERMS = "_run.json"
"""Begins with an underscore, so that readers of Parquet folders pass over it."""


class Part(NamedTuple):
    """One part that was written: its place among the parts, its rows, and how many of them have an error."""

    number: int
    rows: int
    failed: int


class Parts:
    """The parts of `out`, a folder named NAME.parquet or its address; part n holds the nth piece of the cells.

    Raises LymphoscopeError for another name, and for a place whose package is not installed.
    """

    def __init__(self, out: str) -> None:
        check_out_folder(out)
        self._files, self._root = file_system(out)

    def begun(self) -> bool:
        """Whether a run left parts here."""
        return bool(self._files.exists(self._name(TERMS)))

    def fit(self, terms: dict[str, Any]) -> bool:
        """Whether that run had the same terms."""
        try:
            return bool(json.loads(self._files.cat_file(self._name(TERMS))) == terms)
        except ValueError:
            return False

    def start(self, terms: dict[str, Any]) -> None:
        """Begin without parts. Raises LymphoscopeError where something else lies there."""
        if self._files.exists(self._root):
            self._refuse_strangers()
            self._files.rm(self._root, recursive=True)
        self._put(TERMS, json.dumps(terms, indent=2).encode())

    def written(self) -> list[Part]:
        """The parts that are there, in order."""
        names = [name.rpartition("/")[2] for name in self._files.ls(self._root, detail=False)]
        numbers = (name.removeprefix("part-").removesuffix(".parquet") for name in names)
        return [self.read(int(number)) for number in sorted(numbers) if number.isdecimal()]

    def read(self, number: int) -> Part:
        """What a part holds, from its footer. Raises FileNotFoundError where it is not there."""
        from pyarrow import parquet

        with self._files.open(self._name(_file_of(number)), "rb") as stream:
            table = parquet.read_table(stream, columns=["error"])
        return Part(number, len(table), len(table) - int(table["error"].null_count))

    def has(self, number: int) -> bool:
        """Whether a part is there."""
        return bool(self._files.exists(self._name(_file_of(number))))

    def write(self, number: int, rows: Sequence[Row], names: Sequence[str]) -> None:
        """Write one part with the columns `names`, whole or not at all."""
        import pyarrow as pa
        from pyarrow import parquet

        written = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(list(rows), schema=prediction_schema(names)), written)
        self._put(_file_of(number), written.getvalue())

    def _put(self, name: str, content: bytes) -> None:
        if "file" in _protocols(self._files):
            with written_beside(Path(self._name(name))) as beside:
                beside.write_bytes(content)
        else:  # an object store shows an object when all of it is there
            self._files.pipe_file(self._name(name), content)

    def _name(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _refuse_strangers(self) -> None:
        if not self._files.isdir(self._root) or (not self.begun() and self._files.ls(self._root)):
            raise LymphoscopeError(f"{self._root} is there and is no folder of predictions: choose another --out")


def check_out_folder(out: str) -> None:
    """Refuse what parts cannot be written to; raises LymphoscopeError."""
    if not out.lower().endswith(".parquet"):
        raise LymphoscopeError(f"{out}: a cluster writes a folder of Parquet parts, name it NAME.parquet")
    require("parquet", out)


def _file_of(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
