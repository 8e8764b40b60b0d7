"""What the terminal says about predictions in words: the answer for one cell, and a summary of many."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lymphoscope.vocabulary import STREAMS

if TYPE_CHECKING:
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
    import pandas as pd

    if out.suffix.lower() == ".csv":
        options: dict[str, Any] = {"usecols": list(_COLUMNS), "dtype": str, "keep_default_na": False}
        with pd.read_csv(out, chunksize=_CHUNK_ROWS, **options) as chunks:
            for chunk in chunks:
                chunk["refer"] = chunk["refer"].str.lower() == "true"
                yield from ({str(name): value for name, value in row.items()} for row in chunk.to_dict("records"))
        return
    import pyarrow.parquet as parquet

    for batch in parquet.ParquetFile(out).iter_batches(_CHUNK_ROWS, columns=list(_COLUMNS)):
        yield from batch.to_pylist()
