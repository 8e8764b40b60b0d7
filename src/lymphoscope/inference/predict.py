"""Cells -> a file of predictions: streaming, in bounded memory, and resumable."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lymphoscope
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.inputs import Cell, cells_of
from lymphoscope.inference.model import Model
from lymphoscope.inference.pipeline import BATCH_SIZE, predicted_rows
from lymphoscope.inference.rows import columns_of
from lymphoscope.inference.sinks.chunks import Chunks
from lymphoscope.progress import tracked

if TYPE_CHECKING:
    from lymphoscope.data import Manifest

CHUNK_ROWS = 256


@dataclass(frozen=True)
class PredictionSummary:
    """What a run of predictions came to: rows in all, rows with an error, and the file."""

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
) -> PredictionSummary:
    """Write the predictions of every cell of a manifest; see `predict_cells`."""
    cells = cells_of(manifest)
    return predict_cells(model, cells, out, batch_size=batch_size, workers=workers, resume=resume)


def predict_cells(
    model: Model,
    cells: Sequence[Cell],
    out: Path,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    resume: bool = True,
    chunk_rows: int = CHUNK_ROWS,
) -> PredictionSummary:
    """Write the predictions of cells, in their order, as CSV or Parquet by the suffix of `out`; memory is bounded.

    A run that was killed goes on after its last whole chunk where inputs, model and options are as they were, and
    ends with the same bytes; `resume=False` starts over. A finished run leaves nothing beside `out`.
    Raises LymphoscopeError for no cells and for another suffix, OSError where `out` cannot be written.
    """
    if not cells:
        raise LymphoscopeError("there are no cells to predict: the manifest has no rows")
    per_chunk = batch_size * max(1, chunk_rows // batch_size)  # whole batches: see predicted_rows
    sizes = [min(per_chunk, len(cells) - start) for start in range(0, len(cells), per_chunk)]
    chunks = Chunks(out, columns_of(model.description), run_terms(model, cells, batch_size, per_chunk))
    first = _begin(chunks, sizes, resume)
    done = sum(sizes[:first])
    rows = predicted_rows(
        model.runtime, cells[done:], batch_size=batch_size, workers=workers, window=per_chunk // batch_size
    )
    shown = tracked(rows, "predicting", total=len(cells), done=done)
    for number in range(first, len(sizes)):
        chunks.write(number, list(islice(shown, sizes[number])))
    return PredictionSummary(len(cells), chunks.finish(len(sizes)), out)


def _begin(chunks: Chunks, sizes: Sequence[int], resume: bool) -> int:
    if resume and chunks.begun():
        if chunks.fit():
            whole = chunks.whole(sizes)
            _say(f"going on after {sum(sizes[:whole]):,} cells of an unfinished run")
            return whole
        _say("starting over: the unfinished run beside the output had other inputs, model or options")
    chunks.start()
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_terms(model: Model, cells: Sequence[Cell], batch_size: int, per_chunk: int) -> dict[str, Any]:
    """All that the rows depend on: an unfinished run with other terms is not gone on with."""
    described = model.description.model_dump_json()
    return {
        "lymphoscope": lymphoscope.__version__,
        "weights_sha256": model.description.weights_sha256,
        "description_sha256": hashlib.sha256(described.encode()).hexdigest(),
        "options": {**model.runtime.options, "batch_size": batch_size, "chunk_rows": per_chunk},
        "inputs_sha256": _digest(cells),
    }


def _digest(cells: Sequence[Cell]) -> str:
    digest = hashlib.sha256()
    for cell in cells:
        record = [cell.printable_path, cell.subject, cell.slide, cell.label, *_state(cell.path)]
        digest.update((json.dumps(record) + "\n").encode())
    return digest.hexdigest()


def _state(path: str) -> tuple[int, int]:
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return -1, -1
    return state.st_size, state.st_mtime_ns
