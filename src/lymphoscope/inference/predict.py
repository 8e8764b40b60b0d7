"""Cells -> a file of predictions: streaming, in bounded memory, and resumable."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import output_lock
from lymphoscope.inference.inputs import Cell, cells_of
from lymphoscope.inference.model import Model
from lymphoscope.inference.pipeline import BATCH_SIZE, predicted_rows
from lymphoscope.inference.rows import Row, columns_of
from lymphoscope.inference.sinks.file_sink import FileSink, existing_cells
from lymphoscope.inference.sinks.sink import Chunk, RunRecord
from lymphoscope.progress import tracked
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    from lymphoscope.data import Manifest

CHUNK_ROWS = 256

IfExists = Literal["refuse", "overwrite", "append"]
"""What happens if the output exists and is not of an unfinished run; `append` predicts cells that it lacks
or that have an error."""


@dataclass(frozen=True)
class PredictionSummary:
    """The result of a run of predictions: number of rows, number of rows with an error, and the output."""

    rows: int
    failed: int
    out: Path


def predict_manifest(
    model: Model,
    manifest: "Manifest",
    out: Path,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    resume: bool = True,
    if_exists: IfExists = "refuse",
) -> PredictionSummary:
    """Write the predictions of every cell of a manifest; see `predict_cells`."""
    cells = cells_of(manifest)
    return predict_cells(model, cells, out, batch_size=batch_size, workers=workers, resume=resume, if_exists=if_exists)


def predict_cells(
    model: Model,
    cells: Sequence[Cell],
    out: Path,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    resume: bool = True,
    if_exists: IfExists = "refuse",
    chunk_rows: int = CHUNK_ROWS,
) -> PredictionSummary:
    """Write the predictions of cells, in order, as CSV or Parquet by the suffix of `out`, in bounded memory.

    A run that was killed continues after its last complete chunk if inputs, model and options are the same, and ends
    with the same bytes; `resume=False` starts over. A finished run leaves nothing beside `out`.
    Raises LymphoscopeError for no cells, another suffix, an output that exists (see `if_exists`), and while another run
    writes it; OSError if `out` cannot be written.
    """
    replaced: set[str] = set()
    with output_lock(out):
        if if_exists == "append":
            description = model.description
            known = existing_cells(out, columns_of(description), description.model_id)
            cells = [cell for cell in cells if known.get(cell.printable_path, True)]  # new, or failed
            replaced = {cell.printable_path for cell in cells} & set(known)
            if replaced:
                print(
                    f"predicting {counted(len(replaced), 'cell')} again whose row in {out} is an error", file=sys.stderr
                )
            if not cells:
                return PredictionSummary(0, 0, out)
        return _predict_locked(model, cells, out, batch_size, workers, resume, if_exists, chunk_rows, replaced)


def _predict_locked(
    model: Model,
    cells: Sequence[Cell],
    out: Path,
    batch_size: int,
    workers: int | None,
    resume: bool,
    if_exists: IfExists,
    chunk_rows: int,
    replaced: set[str],
) -> PredictionSummary:
    sizes = chunk_sizes(len(cells), batch_size, chunk_rows)
    record = run_record(model, cells, batch_size, chunk_rows)
    append = if_exists == "append" and out.exists()
    if append:
        record = {**record, "appended_to": _file_state(str(out.resolve()))}
    sink = FileSink(out, columns_of(model.description), record, sizes, append=append, replaced=replaced)
    chunks = _leading(sink.open(resume=resume, overwrite=if_exists == "overwrite"))
    done = sum(chunk.rows for chunk in chunks)
    window = batches_per_chunk(batch_size, chunk_rows)
    with predicted_rows(model.runtime, cells[done:], batch_size=batch_size, workers=workers, window=window) as rows:
        shown: Iterator[Row] = tracked(rows, "predicting", total=len(cells), done=done)
        for number in range(len(chunks), len(sizes)):
            chunks.append(sink.write(number, list(islice(shown, sizes[number]))))
    sink.finish()
    return PredictionSummary(len(cells), sum(chunk.failed for chunk in chunks), out)


def batches_per_chunk(batch_size: int, chunk_rows: int) -> int:
    """Return the batches of a chunk: chunks hold whole batches, so that a continued run cuts the same batches."""
    return max(1, chunk_rows // batch_size)


def chunk_sizes(cells: int, batch_size: int, chunk_rows: int) -> list[int]:
    """Return the rows of each chunk. Raises LymphoscopeError for no cells."""
    if not cells:
        raise LymphoscopeError("there are no cells to predict: the manifest has no rows")
    size = batch_size * batches_per_chunk(batch_size, chunk_rows)
    return [min(size, cells - start) for start in range(0, cells, size)]


def run_record(model: Model, cells: Sequence[Cell], batch_size: int, chunk_rows: int) -> RunRecord:
    """Return everything that the rows depend on: an unfinished run with another record cannot be continued."""
    from lymphoscope.version import __version__  # here, because it reads the metadata of the installed package

    description = model.description
    rows = batch_size * batches_per_chunk(batch_size, chunk_rows)
    return {
        "lymphoscope": __version__,
        "weights_sha256": description.weights_sha256,
        "description_sha256": hashlib.sha256(description.model_dump_json().encode()).hexdigest(),
        "options": {**model.runtime.options, "batch_size": batch_size, "chunk_rows": rows},
        "inputs_sha256": _digest(cells),
    }


def _leading(chunks: dict[int, Chunk]) -> list[Chunk]:
    """Return the chunks up to the first one that is missing."""
    numbers = range(len(chunks))
    missing = next((number for number in numbers if number not in chunks), len(chunks))
    return [chunks[number] for number in range(missing)]


def _digest(cells: Sequence[Cell]) -> str:
    digest = hashlib.sha256()
    for cell in cells:
        record: list[Any] = [cell.printable_path, cell.subject, cell.slide, cell.label, *_file_state(cell.path)]
        digest.update((json.dumps(record) + "\n").encode())
        if cell.image is not None:
            digest.update(cell.image.tobytes())
    return digest.hexdigest()


def _file_state(path: str) -> list[int]:
    """Return the size and the time of the last change of a file, -1 if it cannot be opened."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return [-1, -1]
    return [state.st_size, state.st_mtime_ns]
