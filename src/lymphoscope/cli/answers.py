"""What commands print: the answer for one cell, a summary of many predictions, and the main metrics."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lymphoscope.terminal import counted
from lymphoscope.vocabulary import STREAMS, ExitStatus

if TYPE_CHECKING:
    from lymphoscope.evaluation import Estimate, Metrics
    from lymphoscope.model_file import Description

Row = Mapping[str, Any]

_UNLIKE = "unlike the training cells"
_COLUMNS = ("predicted", "refer", "refer_reason", "error")
_CHUNK_ROWS = 100_000


def class_in_words(description: "Description", name: str) -> str:
    """Return a class with its meaning, for example "all (lymphoblast)"."""
    title = description.title(name)
    return name if title == name else f"{name} ({title})"


def describe_cell(row: Row, description: "Description", path: str) -> str:
    """Return the answer for one cell: class, score, streams, referral with its reasons, and what to do next."""
    if row.get("error"):
        return f"{path}: cannot be read: {row['error']}"
    predicted = row["predicted"]
    reasons = _reasons(row)
    lines = [
        f"{path}: {class_in_words(description, predicted)}",
        f"  score     {row[f'score_{predicted}']:.3f} of 1 for this class{_calibrated(description)}",
        f"  streams   {_streams(row, description)}",
        f"  referral  {'a person should check this cell:' if reasons else 'no reason to refer; it can still be wrong'}",
        *(f"            - {line}" for line in _meanings(reasons)),
        f"  next      {_next_step(reasons, path)}",
    ]
    return "\n".join(lines)


def summarize(rows: Iterable[Row], description: "Description") -> list[str]:
    """Return the summary of predictions: cells by class, referred by reason, failed by reason, and a warning."""
    counts = _Counts()
    for row in rows:
        counts.add(row)
    return list(counts.lines(description))


def summarize_file(out: Path, description: "Description") -> list[str]:
    """Return the summary of a finished file of predictions, read in bounded memory."""
    return summarize(_read_rows(out), description)


def listed_counts(counts: Mapping[str, int]) -> str:
    """Return counts by name as text, the largest first."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def print_metrics(metrics: "Metrics", out: Path, *, as_json: bool) -> None:
    """Print the main results and where the report is, or all metrics as JSON.

    Exit with status 3 if any cell failed or has no prediction in the table.
    """
    if as_json:
        typer.echo(metrics.model_dump_json(indent=2))
    else:
        typer.echo("\n".join([*_metrics_lines(metrics), f"report: {out / 'report.html'}"]))
    if metrics.failed or metrics.missing:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def leak_comparison(metrics: "Metrics") -> str:
    """Return the scores with and without the cells that leak, or why there are none."""
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


class _Counts:
    """Counts of classes, reasons and errors."""

    def __init__(self) -> None:
        self.cells = self.referred = 0
        self.classes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """Count one row. A file that cannot be read counts as failed, not as referred."""
        self.cells += 1
        if row.get("error"):
            self.errors[str(row["error"]).partition(":")[0]] += 1
            return
        self.classes[str(row["predicted"])] += 1
        self.referred += bool(row["refer"])
        self.reasons.update(_reasons(row))

    def lines(self, description: "Description") -> Iterator[str]:
        """The summary, one line per topic."""
        if self.classes:
            classes = {class_in_words(description, name): count for name, count in self.classes.items()}
            yield f"classes: {listed_counts(classes)}"
            share = f"{self.referred:,} of {self.classes.total():,}"
            yield f"referred to a person: {share}" + (f" ({listed_counts(self.reasons)})" if self.reasons else "")
        if self.errors:
            yield f"failed: {listed_counts(self.errors)}"
        unlike = self.reasons[_UNLIKE]
        if unlike > self.classes.total() / 2 and self.classes.total() > 1:
            yield (
                f"warning: {unlike:,} of these cells are {_UNLIKE} of the model {description.name}. "
                "Check that it is meant for such images: lymphoscope models"
            )


def _reasons(row: Row) -> list[str]:
    text = row.get("refer_reason")
    return text.split("; ") if isinstance(text, str) and text else []


def _meanings(reasons: list[str]) -> Iterator[str]:
    from lymphoscope.referral import meaning_of

    return (f"{reason}. {meaning_of(reason)}" for reason in reasons)


def _calibrated(description: "Description") -> str:
    return "" if description.calibration else "; not calibrated, so not a probability"


def _streams(row: Row, description: "Description") -> str:
    votes = {stream: row.get(f"{stream}_vote") for stream in STREAMS}
    ran = {stream: vote for stream, vote in votes.items() if isinstance(vote, str)}
    if len(ran) < 2:
        return "only one stream"
    if len(set(ran.values())) == 1:
        return f"{_and(list(ran))} agree"
    by_class: dict[str, list[str]] = {}
    for stream, vote in ran.items():
        by_class.setdefault(vote, []).append(stream)
    return "; ".join(
        f"{_and(streams)} predict{'s' if len(streams) == 1 else ''} {class_in_words(description, name)}"
        for name, streams in by_class.items()
    )


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _next_step(reasons: list[str], path: str) -> str:
    if _UNLIKE in reasons:
        return "`lymphoscope models` says which images each model is meant for"
    return f"`lymphoscope explain {path} --out explained` shows what each stream received"


def _read_rows(out: Path) -> Iterator[Row]:
    if out.suffix.lower() == ".csv":  # without pandas, whose import takes longer than the prediction of a cell
        with out.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                yield {**row, "refer": row["refer"].lower() == "true"}
        return
    import pyarrow.parquet as parquet

    for batch in parquet.ParquetFile(out).iter_batches(_CHUNK_ROWS, columns=list(_COLUMNS)):
        yield from batch.to_pylist()


def _metrics_lines(metrics: "Metrics") -> "Iterator[str]":
    from lymphoscope.evaluation import METRICS

    subjects = counted(metrics.subjects, "subject") if metrics.subjects else "unknown subjects"
    failed = f", {metrics.failed:,} failed" if metrics.failed else ""
    yield f"{counted(metrics.evaluated, 'cell')} of {subjects}{failed}; {_intervals(metrics)}"
    if metrics.subject_mean is not None:
        shown = ("sensitivity", "specificity") if metrics.blast_class is not None else ("accuracy",)
        means = ", ".join(f"{METRICS[name].title.lower()} {_shown(metrics.subject_mean[name])}" for name in shown)
        yield f"averaged over subjects, each with equal weight: {means}"
        yield "over cells, each with equal weight:"
    guess = _best_guess(metrics)
    for name, metric in METRICS.items():
        constant = "" if guess is None else f"always {guess}: {_value(metrics.constant_baselines[guess][name])}"
        yield f"  {metric.title:20}{_shown(metrics.vote[name]):28}{constant}".rstrip()
    referral = metrics.referral
    reasons = f": {listed_counts(referral.reasons)}" if referral.reasons else ""
    yield f"referred to a person: {referral.cells:,} of {metrics.cells:,} ({referral.fraction:.0%}){reasons}"
    yield f"leaks: {_leakage(metrics)}"
    yield from (f"notice: {notice}" for notice in metrics.notices)


def _intervals(metrics: "Metrics") -> str:
    """What the intervals are, or why there is none."""
    from lymphoscope.evaluation import METRICS

    estimates = [metrics.vote[name] for name in METRICS]
    if any(estimate.low is not None for estimate in estimates):
        return f"95 % intervals from a bootstrap over {metrics.bootstrap.unit}s"
    reason = next((estimate.reason for estimate in estimates if estimate.reason), None)
    return "no intervals" + (f": {reason}" if reason else "")


def _best_guess(metrics: "Metrics") -> str | None:
    """The class whose constant prediction has the highest accuracy."""
    scored = {name: scores["accuracy"].value for name, scores in metrics.constant_baselines.items()}
    known = {name: value for name, value in scored.items() if value is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _leakage(metrics: "Metrics") -> str:
    leakage = metrics.leakage
    if leakage is None:
        return "not checked"
    checked = f"checked: {', '.join(leakage.checked)}" if leakage.checked else "not checked"
    leaking = f"{leakage.leaking_cells:,} leaking cells; " if leakage.leaks else ""
    return f"{leaking}{checked}" + (f" ({leakage.reason})" if leakage.reason else "")


def _value(estimate: "Estimate") -> str:
    return "none" if estimate.value is None else f"{estimate.value:.3f}"


def _shown(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "none"
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"
