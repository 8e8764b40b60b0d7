"""The ledger: every number of Tables 1 to 4 and every claim of the text, each with its status; reproduction.md."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lymphoscope.experiments.claims import (
    EQUIVALENCE_MARGIN,
    MEANINGS,
    Status,
    constant_weighted_f1,
    paper_claims,
)
from lymphoscope.experiments.definition import RunDefinition, load_definition
from lymphoscope.experiments.result import Number, Result, Row
from lymphoscope.experiments.table3 import count_rows
from lymphoscope.files import write_text

TABLES = ("table1", "table2", "table3", "table4")
PAGE = "reproduction.md"
RESULTS = "results"
"""Folder beside the page with the NAME.json of experiments."""

_OTHER_METHODS = {
    "MobileNetV2 [33]": 89.47,
    "SE-ResNeXt [34]": 88.91,
    "SENet [35]": 87.9,
    "InceptionV2 [36]": 87.6,
    "Inception ResNetV2 [37]": 84.8,
    "NCA [38]": 91.04,
    "DeepMEN [39]": 88.56,
    "LSTM-DENSE [40]": 86.6,
    "Stacking [41]": 85.52,
}
"""The other methods of Table 2: numbers of other authors, from the challenge's server."""
_COLUMNS = {
    "fold_weighted_f1": "WF1S, %",
    "weighted_f1": "WF1S, %",
    "accuracy": "accuracy, %",
    "auc": "AUC, %",
    "parameters": "parameters, M",
    "multiply_adds": "FLOPS, G",
    "full_epoch_minutes": "minutes an epoch",
}
_COUNT_TOLERANCE = 0.03
CLAIM = "claim"


@dataclass(frozen=True)
class Entry:
    """A printed number, our number, and the status that follows."""

    name: str
    printed: str
    ours: str
    status: Status
    reason: str


def write_ledger(docs: Path) -> Path:
    """Write reproduction.md into the folder of the docs, from the definitions and the results saved beside it."""
    path = docs / PAGE
    write_text(path, ledger_page(saved_results(docs / RESULTS)))
    return path


def saved_results(folder: Path) -> list[Result]:
    """The results of experiments saved as JSON in a folder; none if there is no folder."""
    return [Result.model_validate(json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.json"))]


def ledger_page(results: Iterable[Result] = ()) -> str:
    """The whole page as Markdown; the same for the same definitions and results."""
    saved = {result.name: result for result in results}
    sections = {load_definition(name).title: list(_entries(name, saved.get(name))) for name in TABLES}
    claims = paper_claims()
    counts = Counter(entry.status for entries in sections.values() for entry in entries)
    counts.update(claim.status for claim in claims)
    lines = [_INTRODUCTION, *_legend(counts), *_describe_runs(saved.values())]
    for title, entries in sections.items():
        rows = [(entry.name, entry.printed, entry.ours, entry.status, entry.reason) for entry in entries]
        lines += [f"\n## {title}\n", *_table(("number", "printed", "ours", "status", "reason"), rows)]
    texts = [(claim.section, claim.text, claim.status, claim.reason) for claim in claims]
    lines += ["\n## The text\n", *_table(("section", "claim", "status", "reason"), texts)]
    if CLAIM in saved:
        lines += _claim_section(saved[CLAIM])
    return "\n".join(lines) + "\n"


def _claim_section(result: Result) -> list[str]:
    """The table of the claim experiment: each method over the seeds, and its difference to WT-DFN."""
    columns = [column for column in result.columns if column.key in {test.column for test in result.comparisons}]
    rows = [(row.name, *(_format_number(row.ours.get(column.key)) for column in columns)) for row in result.rows]
    differences = [
        (
            test.row,
            test.against,
            titles[test.column],
            _format_number(test.difference),
            _format_p(test.p),
            _format_p(test.p_adjusted),
        )
        for titles in [{column.key: column.title for column in columns}]
        for test in result.comparisons
    ]
    return [
        f"\n## {result.title}\n",
        f"{result.claim}\n",
        *(f"- {line}" for line in result.protocol),
        "",
        *_table(("method", *(f"{column.title}, %" for column in columns)), rows),
        "",
        *_table(("method", "minus", "metric", "difference, points", "p", "p, Holm"), differences),
    ]


def _format_p(p: float | None) -> str:
    return "" if p is None else f"{p:.4f}"


def _entries(name: str, result: Result | None) -> Iterator[Entry]:
    rows = {row.name: row for row in result.rows} if result else {}
    count_by_title = {row.name: row for row in count_rows()} if name == "table3" else {}
    if name == "table2":
        yield from (_other_method(method, score) for method, score in _OTHER_METHODS.items())
    for run in load_definition(name).runs.values():
        for key, printed in run.published.items():
            if key in ("parameters", "multiply_adds"):
                yield _count_entry(run, key, printed, count_by_title[run.title])
            else:
                yield _score_entry(
                    name, run, key, printed, rows.get(run.title), whole=bool(result and not result.limited)
                )


def _other_method(method: str, score: float) -> Entry:
    reason = "another method's, from its own article; Phase-III's labels are not public"
    return Entry(f"{method}: WF1S, %", f"{score:g}", "", "needs the challenge's server", reason)


def _count_entry(run: RunDefinition, key: str, printed: float, row: Row) -> Entry:
    name = f"{run.title}: {_COLUMNS[key]}"
    if key == "multiply_adds":
        return _multiply_adds_entry(name, printed, row, run.another_network)
    exact = row.ours["parameters_exact"].value or 0
    agrees: Status = "reproduced" if row.verdict == "agrees" else "arithmetic agrees"
    status: Status = "not reproduced" if row.verdict.startswith("not") else agrees
    return Entry(name, f"{printed:.2f}", f"{exact:,.0f}", status, row.verdict)


def _multiply_adds_entry(name: str, printed: float, row: Row, another_network: str | None) -> Entry:
    """One pass at the 300 pixels that the paper states; agreement at another size would be chosen afterwards."""
    at_300, at_312 = (row.ours[key].value or 0.0 for key in ("multiply_adds", "multiply_adds_312"))
    near = abs(at_300 - printed) <= _COUNT_TOLERANCE * printed
    status: Status = "arithmetic agrees" if near and not another_network else "not reproduced"
    reason = f"one pass, {100 * (at_300 / printed - 1):+.1f} %"
    if another_network:
        reason = f"{another_network}; {reason}"
    elif not near and abs(at_312 - printed) <= _COUNT_TOLERANCE * printed:
        reason += f"; {at_312:.2f} at 312 pixels, a size chosen afterwards"
    return Entry(name, f"{printed:.2f}", f"{at_300:.2f} at 300", status, reason)


def _score_entry(name: str, run: RunDefinition, key: str, printed: float, row: Row | None, *, whole: bool) -> Entry:
    spread = run.published_spread.get(key)
    printed_text = f"{printed:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")
    ours = row.ours.get(key) if row else None
    status, reason = _status(name, printed, _interval_of(row, key), whole=whole)
    if run.title.startswith("MobileNetV2 without") and key == "weighted_f1":
        reason += f"; a constant guess at prevalence 0.67 scores {100 * constant_weighted_f1(0.67):.2f}"
    if run.another_network:
        reason += f"; {run.another_network}"
    return Entry(f"{run.title}: {_COLUMNS.get(key, key)}", printed_text, _format_number(ours), status, reason)


def _interval_of(row: Row | None, key: str) -> Number | None:
    """The interval that answers for a printed number: for a mean over folds, that of all held-out cells."""
    return row.ours.get("weighted_f1" if key == "fold_weighted_f1" else key) if row else None


def _status(name: str, printed: float, ours: Number | None, *, whole: bool) -> tuple[Status, str]:
    if name == "table2":
        return "needs the challenge's server", "`lymphoscope reproduce table2` writes the file for it"
    if not whole or ours is None or ours.value is None:
        limited = "; ours is of the limited run above" if ours is not None and ours.value is not None else ""
        return "needs the full data", _NEEDS.get(name, "all of C-NMC") + limited
    if ours.low is not None and ours.high is not None:
        return _compare_interval(printed, ours.low, ours.high)
    return "undecided", "no interval"


def _compare_interval(printed: float, low: float, high: float) -> tuple[Status, str]:
    """Equivalence needs the whole interval near the printed number; one that only contains it decides nothing."""
    if not low <= printed <= high:
        return "not reproduced", "outside our interval"
    if printed - EQUIVALENCE_MARGIN <= low and high <= printed + EQUIVALENCE_MARGIN:
        return "reproduced", f"our interval is within {EQUIVALENCE_MARGIN} points"
    return "undecided", f"inside our interval, which is not within {EQUIVALENCE_MARGIN} points"


_NEEDS = {
    "table3": "the authors' cells (PD) are private",
    "table4": "all of C-NMC, and for the time a GTX 1080 Ti",
}


def _format_number(number: Number | None) -> str:
    if number is None or number.value is None:
        return ""
    interval = f" ({number.low:.2f} to {number.high:.2f})" if number.low is not None and number.high is not None else ""
    return f"{number.value:.2f}{interval}" + (f" ± {number.spread:.2f}" if number.spread is not None else "")


def _legend(statuses: Mapping[Status, int]) -> list[str]:
    rows = [(status, str(statuses.get(status, 0)), meaning) for status, meaning in MEANINGS.items()]
    return _table(("status", "numbers", "meaning"), rows)


def _describe_runs(results: Iterable[Result]) -> Iterator[str]:
    for result in results:
        limits = " ".join([*result.limited, *result.facts] if result.limited else ["Nothing limited.", *result.facts])
        yield (
            f"\n**{result.title}** was run on {result.date}, {result.device}, commit {result.commit}: "
            f"`{result.command}`. Cells: {result.data.get('cells', 'unknown')}. {limits}"
        )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


_INTRODUCTION = """\
# Reproduction: the status of each number

Research software, not a medical device.

Every number of Tables 1 to 4 and every claim of the text of Liu et al., Diagnostics 2022, 12, 16, with its status. The
command `lymphoscope reproduce ledger --out docs` writes this page from the experiments' definitions, from counts, and
from the results in `docs/results`; a test checks that the page is up to date. How to run the experiments:
[experiments.md](experiments.md).

Two kinds of numbers are left out because they cannot be checked: what the paper quotes of other work in its
introduction, and the settings of sections 2.2 and 3.1 (thresholds 0.5, 300 pixels, batch 7, 120 epochs and so on). The
preset `paper` has the settings.
"""
