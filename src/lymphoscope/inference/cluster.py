"""The same predictions on many machines: Ray Data deals out pieces of the cells, workers write Parquet parts.

A worker holds no state but a copy of the model, so that the loss of one costs the piece that it was at: Ray gives
the piece to another. Pieces are whole batches cut by place, as on one machine, so that the numbers are the same.
"""

import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.inference.inputs import Cell
from lymphoscope.inference.model import Model, load
from lymphoscope.inference.pipeline import BATCH_SIZE, predicted_rows
from lymphoscope.inference.predict import CHUNK_ROWS, PredictionSummary, run_terms
from lymphoscope.inference.rows import columns_of
from lymphoscope.inference.sinks.parts import Part, Parts, check_out_folder
from lymphoscope.progress import tracked

LOCAL = "local"
"""The address of a cluster that is made of this machine's processors, and ends with the run."""


@dataclass(frozen=True)
class Work:
    """What a worker must know beside its cells; `options` are those of `load`."""

    model: Any
    """Ray's reference to the files of the model's folder, by name."""
    options: tuple[tuple[str, Any], ...]
    out: str
    batch_size: int
    readers: int | None


def predict_on_cluster(
    folder: Path,
    cells: Sequence[Cell],
    out: str,
    *,
    address: str = LOCAL,
    threads: int = 1,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    resume: bool = True,
    chunk_rows: int = CHUNK_ROWS,
    **options: Any,
) -> PredictionSummary:
    """Write the predictions of cells as the folder of Parquet parts `out`, in their order, by the workers of a cluster.

    `address` is Ray's, or `local`; each worker computes with `threads` threads and reads files with `workers` more;
    `options` are those of `load`. Every machine must have Lymphoscope and reach the cells and `out`; the model is sent
    to them. A run that was stopped goes on where inputs, model and options are as they were.
    Raises LymphoscopeError for no cells, another name than NAME.parquet, and an address where no cluster answers.
    """
    require("cluster", "--cluster")
    check_out_folder(out)
    if not cells:
        raise LymphoscopeError("there are no cells to predict: the manifest has no rows")
    model = load(folder, threads=threads, **options)
    chosen = {**options, "runtime": model.runtime.options["runtime"], "threads": threads}
    per_part = batch_size * max(1, chunk_rows // batch_size)  # whole batches: see predicted_rows
    pieces = [cells[start : start + per_part] for start in range(0, len(cells), per_part)]
    done = _begin(Parts(out), run_terms(model, cells, batch_size, per_part), resume)
    waiting = {number: piece for number, piece in enumerate(pieces) if number not in done}
    if waiting:
        with _cluster(address) as ray:
            work = Work(ray.put(_files_of(folder)), tuple(sorted(chosen.items())), out, batch_size, workers)
            parts = tracked(_predicted(waiting, work, threads), "predicting, in parts", len(pieces), len(done))
            done |= {part.number: part for part in parts}
    return PredictionSummary(len(cells), sum(part.failed for part in done.values()), Path(out))


def predict_piece(piece: dict[str, Any], work: Work) -> dict[str, Any]:
    """Predict one piece of the cells, write it, and tell of the part; what a worker runs.

    A part that is there already, since the worker that wrote it was lost before it could say so, stays.
    """
    number, parts = int(piece["number"][0]), Parts(work.out)
    if not parts.has(number):
        cells = [Cell(*values) for values in json.loads(str(piece["cells"][0]))]
        model = _model_of(work.model, work.options)
        window = -(-len(cells) // work.batch_size)  # the whole piece, as one machine takes a chunk
        rows = predicted_rows(model.runtime, cells, batch_size=work.batch_size, workers=work.readers, window=window)
        parts.write(number, list(rows), columns_of(model.description))
    return {name: [value] for name, value in parts.read(number)._asdict().items()}


def _begin(parts: Parts, terms: dict[str, Any], resume: bool) -> dict[int, Part]:
    """The parts that an unfinished run left, by number."""
    if resume and parts.begun():
        if parts.fit(terms):
            done = {part.number: part for part in parts.written()}
            _say(f"going on after {sum(part.rows for part in done.values()):,} cells of an unfinished run")
            return done
        _say("starting over: the run that lies there had other inputs, model or options")
    parts.start(terms)
    return {}


def _predicted(waiting: dict[int, Sequence[Cell]], work: Work, threads: int) -> Iterator[Part]:
    """The parts as they come, in any order."""
    from ray import data
    from ray.exceptions import RayError

    items = [{"number": number, "cells": json.dumps(list(piece))} for number, piece in waiting.items()]
    pieces = data.from_items(items, override_num_blocks=len(items))
    # Tasks and no actors: an actor that was lost with its machine would keep its pieces waiting for its return.
    parts = pieces.map_batches(partial(predict_piece, work=work), batch_size=1, num_cpus=threads)
    try:
        for row in parts.iter_rows():
            yield Part(**{name: int(row[name]) for name in Part._fields})
    except RayError as error:
        raise _mendable(error) or error from None


def _mendable(error: BaseException | None) -> LymphoscopeError | None:
    """What a worker said that a person can mend."""
    while error is not None:
        if isinstance(error, LymphoscopeError):
            return LymphoscopeError(*error.args)
        error = getattr(error, "cause", None) or error.__cause__
    return None


@cache
def _model_of(files: Any, options: Iterable[tuple[str, Any]]) -> Model:
    """The model, loaded once in the life of a worker."""
    import ray

    with tempfile.TemporaryDirectory(prefix="lymphoscope-") as folder:
        for name, content in ray.get(files).items():
            (Path(folder) / name).write_bytes(content)
        return load(folder, **dict(options))


def _files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Ray, joined to a cluster and left again; one that was joined before stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address == LOCAL:  # what it listens to is then the loopback address alone
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    _hush_ray_data()
    if ray.is_initialized():
        yield ray
        return
    _join(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


def _hush_ray_data() -> None:
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own settings, when it makes them
        DataContext.get_current().enable_progress_bars = False


def _join(ray: Any, address: str) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, num_cpus=os.cpu_count(), **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise LymphoscopeError(f"--cluster {address}: no Ray cluster answers there ({error})") from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
