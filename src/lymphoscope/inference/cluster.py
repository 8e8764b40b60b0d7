"""Predictions on many machines: Ray Data distributes pieces of the cells, and workers write Parquet parts.

A worker holds no state but a copy of the model, so that losing one costs only its current piece, which Ray gives to
another. Pieces are whole batches cut by position, as on one machine, so that the numbers are the same.
"""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import output_lock
from lymphoscope.inference.inputs import CELL_COLUMNS, Cell
from lymphoscope.inference.model import Model, load
from lymphoscope.inference.pipeline import BATCH_SIZE, predicted_rows
from lymphoscope.inference.predict import CHUNK_ROWS, PredictionSummary, chunk_sizes, run_record
from lymphoscope.inference.remote import is_remote
from lymphoscope.inference.rows import columns_of
from lymphoscope.inference.sinks import Chunk, PartsSink, check_output_folder
from lymphoscope.progress import tracked

_PROXIES = ("http_proxy", "HTTP_PROXY")
_NOWHERE = "http://127.0.0.1:9"
"""An address of this machine where nothing listens (the port of the discard protocol)."""

LOCAL = "local"
"""The address of a cluster that consists of this machine's processors and ends with the run."""


@dataclass(frozen=True)
class Work:
    """What a worker needs besides its cells."""

    model: Any
    """Ray's reference to the files of the model folder, by name."""
    options: tuple[tuple[str, Any], ...]
    """The options of `load`."""
    out: str
    record: Mapping[str, Any]
    sizes: tuple[int, ...]
    batch_size: int
    readers: int | None

    def sink(self, model_columns: Sequence[str]) -> PartsSink:
        """Return the sink that all workers write to."""
        return PartsSink(self.out, model_columns, self.record, self.sizes)


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
    overwrite: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    **options: Any,
) -> PredictionSummary:
    """Write the predictions of cells as the folder of Parquet parts `out`, in order, computed by a cluster.

    `address` is that of a Ray cluster, or `local`. Each worker computes with `threads` threads and reads files with
    `workers` more; `options` are those of `load`. Every machine needs Lymphoscope and access to the cells and to `out`;
    the model is sent to them. An interrupted run continues if inputs, model and options are the same.
    Raises LymphoscopeError for no cells, a name other than NAME.parquet, the finished predictions of another run unless
    `overwrite`, and an address where no cluster answers.
    """
    require("cluster", "--cluster")
    check_output_folder(out)
    with nullcontext() if is_remote(out) else output_lock(Path(out)):
        return _predict_locked(
            folder, cells, out, address, threads, batch_size, workers, resume, overwrite, chunk_rows, options
        )


def _predict_locked(
    folder: Path,
    cells: Sequence[Cell],
    out: str,
    address: str,
    threads: int,
    batch_size: int,
    workers: int | None,
    resume: bool,
    overwrite: bool,
    chunk_rows: int,
    options: dict[str, Any],
) -> PredictionSummary:
    sizes = chunk_sizes(len(cells), batch_size, chunk_rows)
    model = load(folder, threads=threads, **options)
    options = {**options, "runtime": model.runtime.options["runtime"], "threads": threads}
    record = run_record(model, cells, batch_size, chunk_rows)
    sink = PartsSink(out, columns_of(model.description), record, sizes)
    chunks = sink.open(resume=resume, overwrite=overwrite)
    missing = {
        number: cells[sum(sizes[:number]) :][: sizes[number]] for number in range(len(sizes)) if number not in chunks
    }
    if missing:
        with joined_cluster(address) as ray:
            files = ray.put(model_files(folder))
            work = Work(files, tuple(sorted(options.items())), out, record, tuple(sizes), batch_size, workers)
            written = tracked(_predicted(missing, work, threads), "predicting, in parts", len(sizes), len(chunks))
            chunks |= {chunk.number: chunk for chunk in written}
    sink.finish()
    return PredictionSummary(len(cells), sum(chunk.failed for chunk in chunks.values()), Path(out))


def predict_piece(piece: dict[str, Any], work: Work) -> dict[str, Any]:
    """Predict one piece of the cells and write it, on a worker; return its chunk.

    A part that exists, because the worker that wrote it was lost before it could report it, is not written again.
    """
    if os.environ.get(_PROXIES[0]) == _NOWHERE:
        os.environ.pop(_PROXIES[0])
    number = int(piece["number"][0])
    chunk = work.sink(()).chunk(number)
    if chunk is None:
        cells = [Cell(*values, fetch=fetch) for *values, fetch in json.loads(str(piece["cells"][0]))]
        model = load_once(work.model, work.options)
        window = -(-len(cells) // work.batch_size)  # the whole piece, as one machine takes a chunk
        with predicted_rows(
            model.runtime, cells, batch_size=work.batch_size, workers=work.readers, window=window
        ) as rows:
            chunk = work.sink(columns_of(model.description)).write(number, list(rows))
    return {name: [value] for name, value in chunk._asdict().items()}


def _predicted(missing: dict[int, Sequence[Cell]], work: Work, threads: int) -> Iterator[Chunk]:
    """Yield the chunks as they are written, in any order."""
    from ray import data
    from ray.exceptions import RayError

    items = [
        {"number": number, "cells": json.dumps([_values(cell) for cell in piece])} for number, piece in missing.items()
    ]
    pieces = data.from_items(items, override_num_blocks=len(items))
    # Tasks, not actors: an actor that is lost with its machine keeps its pieces waiting for its return.
    chunks = pieces.map_batches(partial(predict_piece, work=work), batch_size=1, num_cpus=threads)
    try:
        for row in chunks.iter_rows():
            yield Chunk(**{name: int(row[name]) for name in Chunk._fields})
    except RayError as error:
        raise user_error(error) or error from None


def _values(cell: Cell) -> list[Any]:
    return [*(getattr(cell, name) for name in CELL_COLUMNS), cell.fetch]


def user_error(error: BaseException | None) -> LymphoscopeError | None:
    """Return the error of a worker that the user can fix, None if there is none."""
    while error is not None:
        if isinstance(error, LymphoscopeError):
            return LymphoscopeError(*error.args)
        error = getattr(error, "cause", None) or error.__cause__
    return None


@cache
def load_once(files: Any, options: Iterable[tuple[str, Any]]) -> Model:
    """Load the model, once in the life of a worker."""
    import ray

    with tempfile.TemporaryDirectory(prefix="lymphoscope-") as folder:
        for name, content in ray.get(files).items():
            (Path(folder) / name).write_bytes(content)
        return load(folder, **dict(options))


def model_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a model folder by name, to be sent to the workers."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@contextmanager
def joined_cluster(address: str) -> Iterator[Any]:
    """Join a Ray cluster and leave it at the end, unless the process had joined one before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address == LOCAL:  # then Ray listens on the loopback address only
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    _silence_ray_data()
    if ray.is_initialized():
        yield ray
        return
    _join(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _asking_no_cloud() -> Iterator[None]:
    """Within the context, let processes of Ray that start reach no web server, by a proxy that does not exist.

    One of them asks the metadata services of three clouds whether it runs there, for the usage statistics, even when
    these are switched off. Workers remove the proxy again (`predict_piece`). A proxy of the user stays as it is.
    """
    if any(name in os.environ for name in _PROXIES):
        yield
        return
    os.environ[_PROXIES[0]] = _NOWHERE
    try:
        yield
    finally:
        os.environ.pop(_PROXIES[0], None)


def _silence_ray_data() -> None:
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Ray warns of its own default settings
        DataContext.get_current().enable_progress_bars = False


def _join(ray: Any, address: str) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == LOCAL:
            with _asking_no_cloud():
                ray.init(address=LOCAL, include_dashboard=False, num_cpus=os.cpu_count(), **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise LymphoscopeError(f"--cluster {address}: no Ray cluster answers there ({error})") from error
