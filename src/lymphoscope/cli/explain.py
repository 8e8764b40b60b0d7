"""`lymphoscope explain`: what the streams saw of each cell, as pictures."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lymphoscope.cli.model_argument import (
    Device,
    ModelAndPaths,
    ModelFolder,
    Precision,
    PrecisionOption,
    Workers,
    model_and_paths,
    refuse_overwriting,
    say_counts,
)
from lymphoscope.cli.words import Json, Out

if TYPE_CHECKING:
    from lymphoscope.inference import Explanation

INDEX = "index.csv"
LONGEST_NAME = 60


def explain(
    paths: ModelAndPaths,
    out: Out,
    model: ModelFolder = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.float32,
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

    cells = find_cells(named)
    names = picture_names([cell.printable_path for cell in cells])
    refuse_overwriting([out / name for name in (INDEX, *names)], [*named, *(cell.path for cell in cells)])
    runtime = load(folder, device=device, precision=precision.value).runtime
    seen = tracked(explained_cells(runtime, cells, workers=workers), "explaining", total=len(cells), done=0)
    rows = list(_draw(seen, out, names))
    write_predictions(as_predictions(rows, runtime.description.classes), out / INDEX)
    failed = sum("error" in row for row in rows)
    if as_json:
        typer.echo(json.dumps({"rows": len(rows), "failed": failed, "out": str(out), "index": str(out / INDEX)}))
    say_counts(len(rows), failed, out)


def picture_names(paths: Sequence[str]) -> list[str]:
    """A name for the picture of each cell, after its file; a number follows where the name is taken.

    Names that differ in case alone count as one: some disks do not tell them apart.
    """
    names: list[str] = []
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for path in paths:
        stem = name = Path(path).stem[:LONGEST_NAME]
        while name.casefold() in taken:
            counts[stem.casefold()] += 1
            name = f"{stem}-{counts[stem.casefold()] + 1}"
        taken.add(name.casefold())
        names.append(f"{name}.png")
    return names


def _draw(seen: "Iterable[Explanation]", out: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    from lymphoscope.files import written_beside
    from lymphoscope.reports import explanation_panel

    for cell, name in zip(seen, names, strict=True):
        if cell.pictures is None:
            yield {**cell.row, "picture": None}
            continue
        with written_beside(out / name) as beside:
            beside.write_bytes(explanation_panel(cell))
        yield {**cell.row, "picture": name}
