"""`lymphoscope compare`: two predictions of the same cells -> differences with intervals, and tests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lymphoscope.cli.words import Json

if TYPE_CHECKING:
    from lymphoscope.evaluation import Difference, PredictionComparison

_FILE = "Predictions, .csv or .parquet."


def compare(
    one: Annotated[Path, typer.Argument(metavar="FILE", help=_FILE, show_default=False)],
    other: Annotated[Path, typer.Argument(metavar="FILE", help="Others of the same cells.", show_default=False)],
    blast_class: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The class that sensitivity and specificity are of; none without it.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two predictions of the same cells, matched by path: the first less the second.

    Intervals and p come from a paired bootstrap over subjects; McNemar's and DeLong's tests stand beside them.
    """
    from lymphoscope.evaluation import compare_predictions, read_predictions

    found = compare_predictions(read_predictions(one), read_predictions(other), blast_class=blast_class)
    typer.echo(found.model_dump_json(indent=2) if as_json else _as_text(found, one, other))


def _as_text(found: "PredictionComparison", one: Path, other: Path) -> str:
    whose = f" of {found.subjects} subjects" if found.subjects else ""
    drawn = found.bootstrap
    lines = [
        f"{found.cells} cells{whose} in both",
        f"first:  {one}",
        f"second: {other}",
        "",
        f"{'':22}{'first':>8}{'second':>9}   first - second, 95 % interval       p",
        *(_line(name, difference) for name, difference in found.differences.items()),
        "",
        f"Intervals and p: paired bootstrap over {drawn.unit}s, {drawn.replicates} draws, seed {drawn.seed}.",
        *([f"Note: {drawn.note}."] if drawn.note else []),
        "The next two tests take the cells as independent, which those of one subject are not:",
        _line("DeLong, AUC", found.delong),
        f"McNemar, exact: {found.mcnemar.only_one_right} cells that only the first has right, "
        f"{found.mcnemar.only_other_right} that only the second has, p {_p(found.mcnemar.p)}",
    ]
    return "\n".join(lines)


def _line(name: str, found: "Difference") -> str:
    if found.value is None:
        return f"{name.replace('_', ' '):22}none: {found.reason}"
    scores = f"{found.one:8.4f}{found.other:9.4f}   {found.value:+.4f}"
    if found.low is None:
        return f"{name.replace('_', ' '):22}{scores} (no interval: {found.reason})   {_p(found.p)}"
    return f"{name.replace('_', ' '):22}{scores} ({found.low:+.4f} to {found.high:+.4f})   {_p(found.p)}"


def _p(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"
