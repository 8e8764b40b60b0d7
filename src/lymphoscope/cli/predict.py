"""`lymphoscope predict`: cells in, predictions out, as a file or as a table to read."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lymphoscope.cli.model_argument import (
    Device,
    ModelAndPaths,
    ModelFolder,
    Precision,
    PrecisionOption,
    RuntimeOption,
    Threads,
    Workers,
    model_and_paths,
    refuse_overwriting,
    say_counts,
)
from lymphoscope.cli.words import Json
from lymphoscope.errors import LymphoscopeError

if TYPE_CHECKING:
    from lymphoscope.inference import Cell, Model, PredictionSummary

HEADINGS = ("path", "predicted", "score", "agreement", "refer", "error")


class Erase(StrEnum):
    """When the third stream runs."""

    always = "always"
    on_disagreement = "on_disagreement"


def predict(
    paths: ModelAndPaths,
    model: ModelFolder = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Write here, .csv or .parquet; a killed run goes on from there."),
    ] = None,
    runtime: RuntimeOption = "auto",
    device: Device = "auto",
    precision: PrecisionOption = Precision.float32,
    erase: Annotated[
        Erase,
        typer.Option("--erase", help="on_disagreement saves time, changes no label, and gives fewer scores."),
    ] = Erase.always,
    threads: Threads = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", help="Cells computed at once; auto measures which number is fastest here.")
    ] = "32",
    workers: Workers = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Predict on a Ray cluster, or on one of this machine's processors: local. --out is then a folder "
            "NAME.parquet or its address, --threads those of each worker.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, whatever an unfinished run left.")] = False,
    as_json: Json = False,
) -> None:
    """Classify cells: one row a cell, with scores, the three votes, the box, and when a person must look.

    A file that cannot be read is a row with an error; the command then ends with status 3.
    """
    folder, named = model_and_paths(paths, model)
    options: dict[str, Any] = {"device": device, "precision": precision.value, "erase": erase.value, "runtime": runtime}
    if cluster is not None:
        cut: dict[str, Any] = {"batch_size": _batch_size(batch_size), "workers": workers, "resume": not fresh}
        _on_cluster(cluster, folder, named, out, as_json, threads=threads or 1, **cut, **options)
        return
    from lymphoscope.inference import check_out, find_cells, load, predict_cells

    file = None if out is None else Path(out)
    if file is not None:
        check_out(file)
        refuse_overwriting([file], named)
    cells = find_cells(named)
    loaded = load(folder, threads=threads, **options)
    size = _batch_size(batch_size, loaded, file if not fresh else None)
    if file is None:
        _show(loaded, cells, size, workers, as_json)
        return
    _say_done(predict_cells(loaded, cells, file, batch_size=size, workers=workers, resume=not fresh), file, as_json)


def _on_cluster(address: str, folder: Path, named: "list[str]", out: str | None, as_json: bool, **how: Any) -> None:
    from lymphoscope.extras import require
    from lymphoscope.inference import find_cells

    require("cluster", "--cluster")
    if out is None:
        raise LymphoscopeError("--cluster writes a folder of Parquet parts: name it with --out NAME.parquet")
    from lymphoscope.inference.cluster import predict_on_cluster

    _say_done(predict_on_cluster(folder, find_cells(named), out, address=address, **how), out, as_json)


def _say_done(done: "PredictionSummary", out: str | Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"rows": done.rows, "failed": done.failed, "out": str(out)}))
    say_counts(done.rows, done.failed, out)


def _batch_size(word: str, model: "Model | None" = None, out: Path | None = None) -> int:
    if word == "auto" and model is not None:
        from lymphoscope.inference.pipeline import best_batch_size

        size = best_batch_size(model.runtime, out)
        typer.echo(f"batch size: {size}", err=True)
        return size
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise LymphoscopeError(f"--batch-size {word}: a whole number from 1, or auto")
    return int(word)


def _show(model: "Model", cells: "list[Cell]", batch_size: int, workers: int | None, as_json: bool) -> None:
    from lymphoscope.inference import predicted_rows
    from lymphoscope.vocabulary import prediction_columns

    rows = list(predicted_rows(model.runtime, cells, batch_size=batch_size, workers=workers))
    if as_json:
        names = prediction_columns(model.description.classes)
        typer.echo(json.dumps([{name: row.get(name) for name in names} for row in rows], indent=2))
    else:
        typer.echo(_as_text(rows))
    say_counts(len(rows), sum("error" in row for row in rows), None)


def _as_text(rows: list[dict[str, Any]]) -> str:
    lines = [HEADINGS, *(_line(row) for row in rows)]
    wide = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(map(str.ljust, line, wide)).rstrip() for line in lines)


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    if "error" in row:
        return _short(row["path"]), "", "", "", row["refer_reason"], row["error"]
    score = row[f"score_{row['predicted']}"]
    reason = row["refer_reason"] or "no"
    return _short(row["path"]), row["predicted"], f"{score:.3f}", f"{row['agreement']:.2f}", reason, ""


def _short(path: str) -> str:
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path
