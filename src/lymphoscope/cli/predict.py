"""`lymphoscope predict`: cells -> predictions, as a file or as a table on the terminal."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lymphoscope.cli.answers import class_in_words, describe_cell, summarize, summarize_file
from lymphoscope.cli.model_argument import (
    announce_default_model,
    print_counts,
    print_lines,
    refuse_overwriting,
    split_model_and_paths,
)
from lymphoscope.cli.options import (
    AllowRemote,
    AsJson,
    Device,
    EraseOption,
    ModelOption,
    PathsArgument,
    PrecisionOption,
    Threads,
    Workers,
)
from lymphoscope.cli.runtime_option import RuntimeOption
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lymphoscope.inference import Cell, IfExists, Model, PredictionSummary
    from lymphoscope.model_file import Description

HEADINGS = ("path", "predicted", "score", "agreement", "refer", "error")
MAX_IN_WORDS = 1
"""Up to this many cells are answered in words, more as a table."""


def predict_command(
    paths: PathsArgument,
    model: ModelOption = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE", help="Output file, .csv or .parquet. An interrupted run resumes from it."
        ),
    ] = None,
    runtime: RuntimeOption = "auto",
    device: Device = "auto",
    precision: PrecisionOption = "float32",
    erase: EraseOption = "always",
    threads: Threads = None,
    batch_size: Annotated[
        str, typer.Option("--batch-size", help="Cells per batch; auto measures which size is fastest here.")
    ] = "32",
    workers: Workers = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Predict on a Ray cluster; `local` uses every processor of this machine. --out is then a folder "
            "NAME.parquet or its address, and --threads is per worker.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again and discard an unfinished run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out if it exists.")] = False,
    append: Annotated[
        bool,
        typer.Option(
            "--append",
            help="Predict only cells that --out lacks, or whose row there is an error, and add them to it.",
        ),
    ] = False,
    allow_remote: AllowRemote = False,
    as_json: AsJson = False,
) -> None:
    """Classify cells.

    Writes one row per cell: the scores, the votes of the three streams (raw, crop, erase), the box that the model
    attended to, and whether a person should check the cell.

    A file that cannot be read becomes a row with an error, and the exit status is 3.
    """
    if append and (overwrite or out is None or cluster is not None):
        raise LymphoscopeError("--append needs --out FILE, and excludes --overwrite and --cluster")
    folder, inputs = split_model_and_paths(paths, model)
    options: dict[str, Any] = {"device": device, "precision": precision, "erase": erase, "runtime": runtime}
    if cluster is not None:
        batches: dict[str, Any] = {
            "batch_size": _batch_size(batch_size), "workers": workers, "resume": not fresh, "threads": threads or 1,
            "overwrite": overwrite,
        }  # fmt: skip
        _on_cluster(cluster, folder, inputs, out, as_json, allow_remote, **batches, **options)
        return
    from lymphoscope.inference import check_output_file, load, predict_cells, search_cells

    file = None if out is None else Path(out)
    if file is not None:
        check_output_file(file)
        refuse_overwriting([file], inputs)
    search = search_cells(inputs, allow_remote=allow_remote)
    print_lines(search.lines)
    cells = search.cells
    loaded = load(announce_default_model(folder), threads=threads, **options)
    size = _batch_size(batch_size, loaded, file if not fresh else None)
    if file is None:
        _print_predictions(loaded, cells, size, workers, as_json)
        return
    if_exists: IfExists = "overwrite" if overwrite else "append" if append else "refuse"
    summary = predict_cells(
        loaded, cells, file, batch_size=size, workers=workers, resume=not fresh, if_exists=if_exists
    )
    typer.echo("\n".join(summarize_file(file, loaded.description)), err=True)
    _print_summary(summary, file, as_json, search.not_read)


def _on_cluster(
    address: str,
    folder: Path | None,
    inputs: list[str],
    out: str | None,
    as_json: bool,
    allow_remote: bool,
    **options: Any,
) -> None:
    from lymphoscope.extras import require
    from lymphoscope.inference import search_cells

    require("cluster", "--cluster")
    if out is None:
        raise LymphoscopeError("--cluster writes a folder of Parquet files: add --out NAME.parquet")
    from lymphoscope.inference import predict_on_cluster

    search = search_cells(inputs, allow_remote=allow_remote)
    print_lines(search.lines)
    summary = predict_on_cluster(announce_default_model(folder), search.cells, out, address=address, **options)
    _print_summary(summary, out, as_json, search.not_read)


def _print_summary(summary: "PredictionSummary", out: str | Path, as_json: bool, not_read: "Mapping[str, int]") -> None:
    if as_json:
        answer = {"rows": summary.rows, "failed": summary.failed, "out": str(out), "not_read": dict(not_read)}
        typer.echo(json.dumps(answer))
    print_counts(summary.rows, summary.failed, out)


def _batch_size(text: str, model: "Model | None" = None, out: Path | None = None) -> int:
    if text == "auto" and model is not None:
        from lymphoscope.inference import best_batch_size

        size = best_batch_size(model.runtime, out)
        typer.echo(f"batch size: {size}", err=True)
        return size
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise LymphoscopeError(f"--batch-size {text}: give a whole number from 1, or auto")
    return int(text)


def _print_predictions(
    model: "Model", cells: "list[Cell]", batch_size: int, workers: int | None, as_json: bool
) -> None:
    from lymphoscope.inference import predicted_rows
    from lymphoscope.vocabulary import MODEL_ID_COLUMN, prediction_columns

    with predicted_rows(model.runtime, cells, batch_size=batch_size, workers=workers) as predicted:
        rows = list(predicted)
    if as_json:
        names = [*prediction_columns(model.description.classes), MODEL_ID_COLUMN]
        typer.echo(json.dumps([{name: row.get(name) for name in names} for row in rows], indent=2))
    elif len(rows) <= MAX_IN_WORDS:
        typer.echo("\n".join(describe_cell(row, model.description, _short(row["path"])) for row in rows))
    else:
        typer.echo(_as_text(rows, model.description))
        typer.echo("\n".join(summarize(rows, model.description)), err=True)
    print_counts(len(rows), sum("error" in row for row in rows), None)


def _as_text(rows: list[dict[str, Any]], description: "Description") -> str:
    lines = [HEADINGS, *(_line(row, description) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _line(row: dict[str, Any], description: "Description") -> tuple[str, ...]:
    if "error" in row:
        return _short(row["path"]), "", "", "", row["refer_reason"], row["error"]
    score = row[f"score_{row['predicted']}"]
    reason = row["refer_reason"] or "no"
    predicted = class_in_words(description, row["predicted"])
    return _short(row["path"]), predicted, f"{score:.3f}", f"{row['agreement']:.2f}", reason, ""


def _short(path: str) -> str:
    return one_line(os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path)
