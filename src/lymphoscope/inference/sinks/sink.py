"""The protocol of all sinks: open (which may resume an unfinished run), write chunks in any order, finish."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lymphoscope.inference.rows import Row
from lymphoscope.terminal import counted

RunRecord = Mapping[str, Any]
"""Everything that the rows depend on: a run with another record cannot be continued. JSON values only."""


class Chunk(NamedTuple):
    """A chunk that was written: its number, its rows, and how many of them have an error."""

    number: int
    rows: int
    failed: int


class Sink(ABC):
    """An output under way, whose rows are written in chunks, each of them whole or not at all.

    `sizes` are the rows of each chunk, in order, and `columns` those of `prediction_columns`. The record of the run
    lies beside the chunks, so that an interrupted run can be continued.
    """

    def __init__(self, columns: Sequence[str], record: RunRecord, sizes: Sequence[int]) -> None:
        self.columns = tuple(columns)
        self.record = record
        self.sizes = tuple(sizes)

    def open(self, *, resume: bool = True, overwrite: bool = False) -> dict[int, Chunk]:
        """Continue the unfinished run of the same record, or start without chunks; return the chunks, by number.

        A line on standard error says that a run continues, or that one with another record is started over.
        Raises LymphoscopeError if there is another output, unless `overwrite`, or something that is not predictions.
        """
        recorded = self._read_record() if resume else None
        if not overwrite and not (recorded is not None and _is_json_of(recorded, self.record)):
            self._refuse_existing()
        if recorded is not None:
            if _is_json_of(recorded, self.record):
                chunks = self._complete_chunks()
                rows = sum(chunk.rows for chunk in chunks.values())
                print(f"continuing after {counted(rows, 'cell')} of an unfinished run", file=sys.stderr, flush=True)
                return chunks
            print(
                "starting over: the unfinished run had other inputs, another model or other options",
                file=sys.stderr,
                flush=True,
            )
        self._start()
        return {}

    @abstractmethod
    def write(self, number: int, rows: Sequence[Row]) -> Chunk:
        """Write one chunk."""

    @abstractmethod
    def finish(self) -> None:
        """Turn the chunks, all of which must be written, into the output."""

    @abstractmethod
    def chunk(self, number: int) -> Chunk | None:
        """Return a chunk if it was written whole."""

    @abstractmethod
    def _refuse_existing(self) -> None:
        """Raise LymphoscopeError if there is an output that this run would replace."""

    @abstractmethod
    def _read_record(self) -> bytes | None:
        """Return the record of an unfinished run, None if there is none."""

    @abstractmethod
    def _start(self) -> None:
        """Remove what an earlier run left, and write the record."""

    def _complete_chunks(self) -> dict[int, Chunk]:
        chunks = (self.chunk(number) for number in range(len(self.sizes)))
        return {chunk.number: chunk for chunk in chunks if chunk and chunk.rows == self.sizes[chunk.number]}


def record_bytes(record: RunRecord) -> bytes:
    """Return the record as it is written."""
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def _is_json_of(content: bytes, record: RunRecord) -> bool:
    try:
        return bool(json.loads(content) == record)
    except ValueError:
        return False
