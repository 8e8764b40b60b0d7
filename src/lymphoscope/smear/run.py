"""One run: fields -> results folder. It resumes after a kill, and refuses a folder that another run writes."""

import hashlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import output_lock, write_json
from lymphoscope.inference import Model
from lymphoscope.progress import tracked
from lymphoscope.smear.assemble import Assembled, assemble_results
from lymphoscope.smear.cell_classes import titles_of
from lymphoscope.smear.cell_features import FEATURES_FILE
from lymphoscope.smear.cell_pipeline import chunk_results
from lymphoscope.smear.chunks import ChunkStore
from lymphoscope.smear.cutting import cell_cutter
from lymphoscope.smear.detection import Detector
from lymphoscope.smear.differential import Differential, differential_count
from lymphoscope.smear.error_correction import errors_of
from lymphoscope.smear.field_inputs import FieldInput
from lymphoscope.smear.plan import Plan, plan_run
from lymphoscope.smear.records import FieldRecord, SmearModel, SmearOptions, SmearRecord
from lymphoscope.smear.report import SmearContents, write_smear_report
from lymphoscope.smear.tiles import CORE, WHOLE, Tile
from lymphoscope.version import __version__

RECORD_FILE, DIFFERENTIAL_FILE, REPORT_FILE = "smear.json", "differential.json", "report.html"
_OWN_FILES = (
    RECORD_FILE, DIFFERENTIAL_FILE, REPORT_FILE, "cells.parquet", "cells.csv", "cells.geojson", "cells.coco.json",
    FEATURES_FILE,
)  # fmt: skip
_OWN_FOLDERS = ("sprites", "fields", "crops")
_MORE_CELLS = "cells-*.geojson"
"""Files of the cells beyond the first 50,000."""


@dataclass(frozen=True)
class RunOptions:
    """How a run is done; see `lymphoscope smear --help`."""

    microns_per_pixel: float | None = None
    target: int | None = None
    blast_threshold: float = 20.0
    workers: int | None = None
    batch_size: int = 32
    resume: bool = True
    overwrite: bool = False
    core: int = CORE
    whole: int = WHOLE
    command: str = "lymphoscope.smear()"
    crops: bool = False
    features: bool = True
    cluster: str | None = None
    """Address of a Ray cluster; it needs `model_folder`, the `model_options` of `load`, and `detector`."""
    model_folder: Path | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    detector: str | None = None


@dataclass(frozen=True)
class SmearResult:
    """The result of a run: where it is, its record, the count, and the seconds of each stage, added over threads."""

    out: Path
    record: SmearRecord
    differential: Differential
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Fields that could not be read, or not wholly."""
        return sum(one.error is not None for one in self.record.fields)


def run_smear(
    model: Model, detector: Detector, inputs: Sequence[FieldInput], out: Path, options: RunOptions | None = None
) -> SmearResult:
    """Find, classify and count the white cells of fields, and write the results folder `out`.

    An unfinished run of the same fields, model and options continues, and gives the same bytes. Raises LymphoscopeError
    for finished results in `out` unless `overwrite`, for fields without a scale, and if another run writes `out`.
    """
    options = options or RunOptions()
    with output_lock(out):
        return _run_locked(model, detector, inputs, out, options)


def _run_locked(
    model: Model, detector: Detector, inputs: Sequence[FieldInput], out: Path, options: RunOptions
) -> SmearResult:
    cell_cutter(model.description)  # refuses a model without a scale before long work
    _refuse_other_content(out, options)
    plan = plan_run(inputs, microns_per_pixel=options.microns_per_pixel, core=options.core, whole=options.whole)
    store = ChunkStore(out, run_record(model, detector, plan, options), len(plan.chunks))
    done = store.open(datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), resume=options.resume)
    if done:
        print(f"continuing after {len(done)} of {len(plan.chunks)} parts of an unfinished run", file=sys.stderr)
    missing = {number: chunk for number, chunk in enumerate(plan.chunks) if number not in done}
    if options.cluster is not None and missing:
        written = _on_cluster(store, out, missing, plan, options.cluster, options)
        for _ in tracked(written, "reading fields, in parts", len(plan.chunks), len(done)):
            pass
    else:
        _here(store, missing, plan, model, detector, options)
    return finish_run(store, out, plan, model, detector, options)


def _here(
    store: ChunkStore,
    missing: Mapping[int, tuple[Tile, ...]],
    plan: Plan,
    model: Model,
    detector: Detector,
    options: RunOptions,
) -> None:
    chunks, cutter = list(missing.values()), cell_cutter(model.description)
    with chunk_results(
        chunks,
        plan.fields,
        detector,
        model.runtime,
        cutter,
        workers=options.workers,
        batch_size=options.batch_size,
        crops=options.crops,
        features=options.features,
    ) as results:
        total = len(plan.chunks)
        for number, result in tracked(
            zip(missing, results, strict=True), "reading fields, in parts", total, total - len(chunks)
        ):
            store.write(number, result)


def _on_cluster(
    store: ChunkStore,
    out: Path,
    missing: Mapping[int, tuple[Tile, ...]],
    plan: Plan,
    address: str,
    options: RunOptions,
) -> Iterator[int]:
    from lymphoscope.smear.chunk_cluster import write_on_cluster

    if options.model_folder is None:
        raise LymphoscopeError("a cluster needs the folder of the model")
    return write_on_cluster(
        store, out.resolve(), missing, plan.fields, address=address, model=options.model_folder,
        options=options.model_options, detector=options.detector, batch_size=options.batch_size,
        workers=options.workers, crops=options.crops, features=options.features,
    )  # fmt: skip


def finish_run(
    store: ChunkStore, out: Path, plan: Plan, model: Model, detector: Detector, options: RunOptions
) -> SmearResult:
    """Turn the chunks, all of which are written, into the results folder."""
    description = model.description
    _remove_old(out)
    assembled = assemble_results(store, out, plan.fields, description, options.target)
    classes = titles_of(description)
    differential = differential_count(
        [cell.counted for cell in assembled.cells], classes, description.model_id, errors_of(description),
        target=options.target, threshold=options.blast_threshold,
    )  # fmt: skip
    record = _record(store, plan, model, detector, options, assembled)
    write_json(out / DIFFERENTIAL_FILE, differential.model_dump(mode="json"))
    contents = SmearContents(record, differential, assembled.cells, description, options.command)
    write_smear_report(out / REPORT_FILE, contents)
    write_json(out / RECORD_FILE, record.model_dump(mode="json"))  # the last: with it the results are complete
    store.remove()
    return SmearResult(out, record, differential, assembled.seconds)


def run_record(model: Model, detector: Detector, plan: Plan, options: RunOptions) -> dict[str, Any]:
    """Return everything that the chunks depend on: an unfinished run with another record cannot be continued."""
    files = [[one.model_dump(mode="json"), *_file_state(Path(one.path))] for one in plan.fields]
    return {
        "lymphoscope": __version__,
        "model_id": model.description.model_id,
        "options": {
            **model.runtime.options,
            "batch_size": options.batch_size,
            "core": options.core,
            "crops": options.crops,
            "features": options.features,
        },
        "detector": detector.name,
        "fields_sha256": hashlib.sha256(repr(files).encode()).hexdigest(),
        "chunks": len(plan.chunks),
    }


def _record(
    store: ChunkStore, plan: Plan, model: Model, detector: Detector, options: RunOptions, assembled: Assembled
) -> SmearRecord:
    description = model.description
    runtime: Mapping[str, str] = model.runtime.options
    return SmearRecord(
        lymphoscope=__version__,
        date=store.date,
        model=SmearModel(
            id=description.model_id,
            name=description.name,
            classes=description.classes,
            class_titles=titles_of(description),
            blast_class=description.blast_class,
        ),
        detector=detector.name,
        options=SmearOptions(
            target=options.target,
            blast_threshold=options.blast_threshold,
            core=options.core,
            erase=runtime.get("erase", "always"),
            precision=runtime.get("precision", "float32"),
        ),
        cells_table=assembled.table,
        cells=len(assembled.cells),
        features=assembled.features,
        synthetic=any(is_synthetic(one) for one in plan.fields),
        notices=plan.notices,
        fields=assembled.fields,
        tiles=tuple(assembled.tiles),
    )


def is_synthetic(one: FieldRecord) -> bool:
    """Whether a field was drawn by `data synthesize`, whose folders are marked."""
    return any((parent / "synthetic.json").is_file() for parent in list(Path(one.path).parents)[:3])


def _refuse_other_content(out: Path, options: RunOptions) -> None:
    if out.exists() and not out.is_dir():
        raise LymphoscopeError(f"{out} is a file: --out names a folder")
    if (out / RECORD_FILE).is_file():
        if not options.overwrite:
            raise LymphoscopeError(
                f"{out} has the results of another run: --overwrite replaces them, or choose another --out"
            )
        return
    own = (".partial", *_OWN_FILES, *_OWN_FOLDERS)
    if out.exists() and any(one.name not in own and not one.match(_MORE_CELLS) for one in out.iterdir()):
        raise LymphoscopeError(f"{out} contains other files: choose a new folder for --out")


def _remove_old(out: Path) -> None:
    for path in [*(out / name for name in _OWN_FILES), *out.glob(_MORE_CELLS)]:
        path.unlink(missing_ok=True)
    for name in _OWN_FOLDERS:
        if (out / name).is_dir():
            shutil.rmtree(out / name)


def _file_state(path: Path) -> list[int]:
    try:
        state = path.stat()
    except OSError:
        return [-1, -1]
    return [state.st_size, state.st_mtime_ns]
