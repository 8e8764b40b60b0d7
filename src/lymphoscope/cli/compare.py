"""`lymphoscope compare`: two prediction tables of the same cells -> differences with intervals, and tests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lymphoscope.cli.options import AsJson
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lymphoscope.evaluation import Difference, PredictionComparison
    from lymphoscope.evaluation.estimates import AucTest


def compare_command(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Predictions, .csv or .parquet.", show_default=False)],
    second: Annotated[
        Path,
        typer.Argument(metavar="SECOND", help="Predictions of the same cells by another model.", show_default=False),
    ],
    blast_class: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Class that counts as positive; without it there are no sensitivity and specificity.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two prediction tables of the same cells, matched by path: first minus second.

    Intervals come from a paired bootstrap over subjects, p-values from a permutation test that exchanges the two models
    on whole subjects.
    """
    from lymphoscope.api import compare

    comparison = compare(first, second, blast_class=blast_class)
    typer.echo(comparison.model_dump_json(indent=2) if as_json else _as_text(comparison, first, second))


def _as_text(comparison: "PredictionComparison", first: Path, second: Path) -> str:
    subjects = f" of {counted(comparison.subjects, 'subject')}" if comparison.subjects else ""
    bootstrap = comparison.bootstrap
    linked = bootstrap.linked_subjects or []
    lines = [
        f"{counted(comparison.cells, 'cell')}{subjects} in both tables",
        f"first:  {first}",
        f"second: {second}",
        "",
        f"{'':22}{'first':>8}{'second':>9}   first - second, 95 % interval       p",
        *(_line(name, difference) for name, difference in comparison.differences.items()),
        "",
        f"Intervals: paired bootstrap over {bootstrap.units} {bootstrap.unit}s, {bootstrap.replicates} samples, "
        f"seed {bootstrap.seed}. p: the two models exchanged on whole {bootstrap.unit}s.",
        *(f"Drawn and exchanged together, because they share a cell: {', '.join(group)}." for group in linked),
        *([f"Note: {bootstrap.note}."] if bootstrap.note else []),
        _auc_line(comparison.auc_test, bootstrap.unit),
        f"Cells correct only in the first: {comparison.discordant.only_one_right}, only in the second: "
        f"{comparison.discordant.only_other_right}; sign flips over {bootstrap.unit}s, p {_p(comparison.discordant.p)}",
        *_why_no_p(comparison),
        f"Smallest p of the table after Holm's adjustment: {_p(_smallest(comparison))}",
    ]
    return "\n".join(lines)


def _why_no_p(comparison: "PredictionComparison") -> "Iterator[str]":
    """One line per reason for a missing p, with the numbers that it holds of."""
    missing: dict[str, list[str]] = {}
    for name, difference in comparison.differences.items():
        if difference.p_reason is not None and not (name == "auc" and comparison.auc_test.reason):
            missing.setdefault(difference.p_reason, []).append(name.replace("_", " "))
    if comparison.discordant.reason is not None:
        missing.setdefault(comparison.discordant.reason, []).append("discordant cells")
    yield from (f"No p for {', '.join(names)}: {reason}" for reason, names in missing.items())


def _auc_line(test: "AucTest", unit: str) -> str:
    if test.p is None:
        return f"AUC not tested: {test.reason}"
    return f"AUC {test.one:.4f} against {test.other:.4f}; sign flips over {unit}s, p {_p(test.p)}"


def _line(name: str, difference: "Difference") -> str:
    if difference.value is None:
        return f"{name.replace('_', ' '):22}none: {difference.reason}"
    scores = f"{difference.one:8.4f}{difference.other:9.4f}   {difference.value:+.4f}"
    if difference.low is None:
        return f"{name.replace('_', ' '):22}{scores} (no interval: {difference.reason})   {_p(difference.p)}"
    return f"{name.replace('_', ' '):22}{scores} ({difference.low:+.4f} to {difference.high:+.4f})   {_p(difference.p)}"


def _smallest(comparison: "PredictionComparison") -> float | None:
    adjusted = (difference.p_holm for difference in comparison.differences.values())
    return min((p for p in adjusted if p is not None), default=None)


def _p(p: float | None) -> str:
    if p is None:
        return "none"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"
