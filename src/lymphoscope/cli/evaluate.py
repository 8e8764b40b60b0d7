"""`lymphoscope evaluate`: a model and labelled cells -> predictions, metrics with intervals, a report."""

from typing import TYPE_CHECKING, Annotated

import typer

from lymphoscope.cli.answers import listed_counts
from lymphoscope.cli.options import (
    AllowLeak,
    AsJson,
    BlastThreshold,
    DataOption,
    Device,
    EraseOption,
    ModelOrRun,
    OutFolder,
    PartOption,
    Replicates,
    SubjectPattern,
)
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lymphoscope.evaluation import Estimate, Metrics


def evaluate_command(
    model: ModelOrRun,
    out: OutFolder,
    data: DataOption = None,
    part: PartOption = None,
    allow_leak: AllowLeak = False,
    show_leak: Annotated[
        bool, typer.Option("--show-leak", help="Print the scores with and without the cells that leak.")
    ] = False,
    erase: EraseOption = "always",
    device: Device = "auto",
    replicates: Replicates = 2000,
    blast_threshold: BlastThreshold = 20.0,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on labelled cells.

    Writes predictions, metrics.json, model_card.md and report.html to --out. Cells that the model was trained on, near
    duplicates of them, and other cells of the same subjects are refused, unless --allow-leak or --show-leak is given.
    """
    from lymphoscope.api import evaluate

    metrics = evaluate(
        model,
        data,
        out=out,
        part=part,
        allow_leak=allow_leak,
        show_leak=show_leak,
        erase=erase,
        device=device,
        replicates=replicates,
        blast_threshold=blast_threshold,
        subject_pattern=subject_pattern,
    )
    if show_leak and not as_json:
        typer.echo(_with_and_without_leaks(metrics))
    print_metrics(metrics, out, as_json=as_json)


def print_metrics(metrics: "Metrics", out: "Path", *, as_json: bool) -> None:
    """Print the main results and where the report is, or all metrics as JSON. Exit with status 3 if any cell failed."""
    if as_json:
        typer.echo(metrics.model_dump_json(indent=2))
    else:
        typer.echo("\n".join([*_summary(metrics), f"report: {out / 'report.html'}"]))
    if metrics.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _summary(metrics: "Metrics") -> "Iterator[str]":
    from lymphoscope.evaluation import METRICS

    subjects = f"{metrics.subjects} subjects" if metrics.subjects else "unknown subjects"
    failed = f", {metrics.failed:,} failed" if metrics.failed else ""
    unit = metrics.bootstrap.unit
    yield f"{metrics.evaluated:,} cells of {subjects}{failed}; 95 % intervals from a bootstrap over {unit}s"
    guess = _best_guess(metrics)
    for name, metric in METRICS.items():
        constant = "" if guess is None else f"always {guess}: {_value(metrics.constant_baselines[guess][name])}"
        yield f"  {metric.title:20}{_shown(metrics.vote[name]):28}{constant}".rstrip()
    referral = metrics.referral
    reasons = f": {listed_counts(referral.reasons)}" if referral.reasons else ""
    yield f"referred to a person: {referral.cells:,} of {metrics.cells:,} ({referral.fraction:.0%}){reasons}"
    yield f"leaks: {_leaks(metrics)}"


def _best_guess(metrics: "Metrics") -> str | None:
    """The class whose constant prediction has the highest accuracy."""
    scored = {name: scores["accuracy"].value for name, scores in metrics.constant_baselines.items()}
    known = {name: value for name, value in scored.items() if value is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _leaks(metrics: "Metrics") -> str:
    leakage = metrics.leakage
    if leakage is None:
        return "not checked"
    checked = f"checked: {', '.join(leakage.checked)}" if leakage.checked else "not checked"
    found = f"{leakage.leaking_cells:,} leaking cells; " if leakage.leaks else ""
    return f"{found}{checked}" + (f" ({leakage.reason})" if leakage.reason else "")


def _value(estimate: "Estimate") -> str:
    return "none" if estimate.value is None else f"{estimate.value:.3f}"


def _with_and_without_leaks(metrics: "Metrics") -> str:
    from lymphoscope.evaluation import METRICS

    leakage = metrics.leakage
    if leakage is None or not leakage.leaks:
        return "no leaking cell" + (f" ({leakage.reason})" if leakage and leakage.reason else "")
    head = f"{leakage.leaking_cells} of {metrics.evaluated} cells leak"
    if leakage.scores_without_leaks is None:
        return f"{head}; {leakage.reason}"
    rows = [
        f"{metric.title:18}{_shown(metrics.vote[name]):26}{_shown(leakage.scores_without_leaks[name])}"
        for name, metric in METRICS.items()
    ]
    return "\n".join([head, f"{'':18}{'all cells':26}without leaks", *rows])


def _shown(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "none"
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"
