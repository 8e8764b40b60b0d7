"""`lymphoscope explain`: for each cell, an image of what each stream received and predicted."""

import json

import typer

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
    ModelOption,
    OutFolder,
    PathsArgument,
    PrecisionOption,
    Workers,
)
from lymphoscope.cli.runtime_option import RuntimeOption

INDEX = "index.csv"


def explain_command(
    paths: PathsArgument,
    out: OutFolder,
    model: ModelOption = None,
    device: Device = "auto",
    precision: PrecisionOption = "float32",
    runtime: RuntimeOption = "auto",
    workers: Workers = None,
    allow_remote: AllowRemote = False,
    as_json: AsJson = False,
) -> None:
    """Draw what the model attended to, and what its streams (raw, crop, erase) received.

    Writes one PNG per cell, and index.csv with the predictions.

    A file that cannot be read becomes a row with an error, and the exit status is 3.
    """
    folder, inputs = split_model_and_paths(paths, model)
    from lymphoscope.evaluation import as_predictions, write_predictions
    from lymphoscope.inference import explained_cells, load, search_cells
    from lymphoscope.progress import tracked
    from lymphoscope.reports import panel_names, write_panels

    search = search_cells(inputs, allow_remote=allow_remote)
    print_lines(search.lines)
    cells = search.cells
    names = panel_names([cell.printable_path for cell in cells])
    refuse_overwriting([out / name for name in (INDEX, *names)], [*inputs, *(cell.path for cell in cells)])
    loaded = load(announce_default_model(folder), device=device, precision=precision, runtime=runtime).runtime
    with explained_cells(loaded, cells, workers=workers) as explanations:
        shown = tracked(explanations, "explaining", total=len(cells))
        rows = list(write_panels(shown, names, out, loaded.description.title))
    write_predictions(as_predictions(rows, loaded.description.classes), out / INDEX)
    failed = sum("error" in row for row in rows)
    if as_json:
        answer = {"rows": len(rows), "failed": failed, "out": str(out), "index": str(out / INDEX)}
        typer.echo(json.dumps({**answer, "not_read": dict(search.not_read)}))
    print_counts(len(rows), failed, out)
