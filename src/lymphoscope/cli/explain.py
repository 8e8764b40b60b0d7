"""`lymphoscope explain`: what the streams saw of each cell, as pictures."""

import json

import typer

from lymphoscope.cli.model_argument import (
    Device,
    ModelAndPaths,
    ModelFolder,
    Precision,
    PrecisionOption,
    RuntimeOption,
    Workers,
    model_and_paths,
    refuse_overwriting,
    say_counts,
)
from lymphoscope.cli.words import Json, Out

INDEX = "index.csv"


def explain(
    paths: ModelAndPaths,
    out: Out,
    model: ModelFolder = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.float32,
    runtime: RuntimeOption = "auto",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Draw what each stream saw of each cell: a PNG a cell, and index.csv with their predictions.

    A file that cannot be read is a row with an error; the command then ends with status 3.
    """
    folder, named = model_and_paths(paths, model)
    from lymphoscope.evaluation import as_predictions, write_predictions
    from lymphoscope.inference import explained_cells, find_cells, load
    from lymphoscope.progress import tracked
    from lymphoscope.reports import picture_names, write_pictures

    cells = find_cells(named)
    names = picture_names([cell.printable_path for cell in cells])
    refuse_overwriting([out / name for name in (INDEX, *names)], [*named, *(cell.path for cell in cells)])
    computed = load(folder, device=device, precision=precision.value, runtime=runtime).runtime
    seen = tracked(explained_cells(computed, cells, workers=workers), "explaining", total=len(cells), done=0)
    rows = list(write_pictures(seen, names, out))
    write_predictions(as_predictions(rows, computed.description.classes), out / INDEX)
    failed = sum("error" in row for row in rows)
    if as_json:
        typer.echo(json.dumps({"rows": len(rows), "failed": failed, "out": str(out), "index": str(out / INDEX)}))
    say_counts(len(rows), failed, out)
