"""Predictions as a folder of Parquet parts, on this machine or in an object store; each chunk is one part."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import written_beside
from lymphoscope.inference.remote import file_system
from lymphoscope.inference.rows import Row, prediction_schema
from lymphoscope.inference.sinks.sink import Chunk, RunRecord, Sink, record_bytes

# Names that begin with an underscore are ignored by readers of Parquet folders.
RECORD = "_run.json"
FINISHED = "_SUCCESS"


class PartsSink(Sink):
    """The folder `out`, named NAME.parquet, or its address; chunk n is `part-<n>.parquet`.

    The parts are the output: nothing is joined, and several machines can write them.
    Raises LymphoscopeError for another name, and for an address whose package is not installed.
    """

    def __init__(self, out: str, columns: Sequence[str], record: RunRecord, sizes: Sequence[int]) -> None:
        super().__init__(columns, record, sizes)
        check_output_folder(out)
        self._files, self._root = file_system(out)

    def write(self, number: int, rows: Sequence[Row]) -> Chunk:
        """Write one part."""
        import pyarrow as pa
        from pyarrow import parquet

        content = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(list(rows), schema=prediction_schema(self.columns)), content)
        self._put(_part_name(number), content.getvalue())
        return Chunk(number, len(rows), sum(row.get("error") is not None for row in rows))

    def chunk(self, number: int) -> Chunk | None:
        """Return a part if it was written; parts are never incomplete."""
        from pyarrow import parquet

        try:
            with self._files.open(self._path(_part_name(number)), "rb") as stream:
                errors = parquet.read_table(stream, columns=["error"])["error"]
        except FileNotFoundError:
            return None
        return Chunk(number, len(errors), len(errors) - int(errors.null_count))

    def finish(self) -> None:
        """Mark the folder as finished; the parts are the output."""
        self._put(FINISHED, b"")

    def _refuse_existing(self) -> None:
        if self._files.exists(self._path(FINISHED)):
            raise LymphoscopeError(
                f"{self._root} holds the predictions of another run: --overwrite replaces it, or choose another --out"
            )

    def _complete_chunks(self) -> dict[int, Chunk]:
        # One listing instead of one request per part.
        names = {name.rpartition("/")[2] for name in self._files.ls(self._root, detail=False)}
        chunks = (self.chunk(number) for number in range(len(self.sizes)) if _part_name(number) in names)
        return {chunk.number: chunk for chunk in chunks if chunk}

    def _read_record(self) -> bytes | None:
        path = self._path(RECORD)
        return bytes(self._files.cat_file(path)) if self._files.exists(path) else None

    def _start(self) -> None:
        if self._files.exists(self._root):
            self._refuse_other_content()
            self._files.rm(self._root, recursive=True)
        self._put(RECORD, record_bytes(self.record))

    def _put(self, name: str, content: bytes) -> None:
        if "file" in _protocols(self._files):
            with written_beside(Path(self._path(name))) as beside:
                beside.write_bytes(content)
        else:  # an object store shows an object only when it is complete
            self._files.pipe_file(self._path(name), content)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _refuse_other_content(self) -> None:
        has_record = self._files.exists(self._path(RECORD))
        if not self._files.isdir(self._root) or (not has_record and self._files.ls(self._root)):
            raise LymphoscopeError(f"{self._root} exists and is not a folder of predictions: choose another --out")


def check_output_folder(out: str) -> None:
    """Raise LymphoscopeError if parts cannot be written to a folder of this name."""
    if not out.lower().endswith(".parquet"):
        raise LymphoscopeError(f"{out}: a cluster writes a folder of Parquet parts, name it NAME.parquet")
    require("parquet", out)


def _part_name(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
