"""The ledger: every number of Tables 1 to 4 and of the text, and what became of it; written as reproduction.md."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lymphoscope.experiments.claims import MEANINGS, Claim, Status, claims, constant_weighted_f1
from lymphoscope.experiments.definition import RunDefinition, load_definition
from lymphoscope.experiments.result import Number, Result, Row
from lymphoscope.experiments.table3 import count_rows
from lymphoscope.files import write_text

TABLES = ("table1", "table2", "table3", "table4")
PAGE = "reproduction.md"
RESULTS = "results"
"""Folder beside the page with the NAME.json of experiments whose results are kept."""

_OTHERS = {
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
"""Table 2's other methods: numbers of other authors, by the challenge's server."""
_COLUMNS = {
    "fold_weighted_f1": "WF1S, %",
    "weighted_f1": "WF1S, %",
    "accuracy": "accuracy, %",
    "auc": "AUC, %",
    "parameters": "parameters, M",
    "multiply_adds": "FLOPS, G",
    "full_epoch_minutes": "minutes an epoch",
}
_SAME_AT_312 = 0.03


@dataclass(frozen=True)
class Entry:
    """A printed number and what became of it."""

    what: str
    printed: str
    ours: str
    status: Status
    why: str


def write_ledger(docs: Path) -> Path:
    """Write reproduction.md into the folder of the docs, from the definitions and the results kept beside it."""
    path = docs / PAGE
    write_text(path, ledger_page(kept_results(docs / RESULTS)))
    return path


def kept_results(folder: Path) -> list[Result]:
    """The results of experiments kept as JSON in a folder; none where there is no folder."""
    return [Result.model_validate(json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.json"))]


def ledger_page(results: Iterable[Result] = ()) -> str:
    """The whole page as Markdown; the same for the same definitions and results."""
    kept = {result.name: result for result in results}
    sections = {load_definition(name).title: list(_entries(name, kept.get(name))) for name in TABLES}
    said = claims()
    statuses = Counter(entry.status for entries in sections.values() for entry in entries)
    statuses.update(claim.status for claim in said)
    lines = [_INTRODUCTION, *_legend(statuses), *_kept(kept.values())]
    for title, entries in sections.items():
        rows = [(entry.what, entry.printed, entry.ours, entry.status, entry.why) for entry in entries]
        lines += [f"\n## {title}\n", *_table(("number", "printed", "ours", "status", "why"), rows)]
    lines += ["\n## The text\n", *_table(("section", "says", "status", "why"), [_claim_row(claim) for claim in said])]
    return "\n".join(lines) + "\n"


def _entries(name: str, result: Result | None) -> Iterator[Entry]:
    rows = {row.name: row for row in result.rows} if result else {}
    counted = {row.name: row for row in count_rows()} if name == "table3" else {}
    if name == "table2":
        yield from (_of_others(method, score) for method, score in _OTHERS.items())
    for run in load_definition(name).runs.values():
        for key, printed in run.published.items():
            if key in ("parameters", "multiply_adds"):
                yield _counted(run, key, printed, counted[run.title])
            else:
                yield _scored(name, run, key, printed, rows.get(run.title), whole=bool(result and not result.limited))


def _of_others(method: str, score: float) -> Entry:
    why = "another method's, from its own article; Phase-III's labels are not public"
    return Entry(f"{method}: WF1S, %", f"{score:g}", "", "needs the challenge's server", why)


def _counted(run: RunDefinition, key: str, printed: float, row: Row) -> Entry:
    what = f"{run.title}: {_COLUMNS[key]}"
    if key == "multiply_adds":
        return _multiply_adds(what, printed, row)
    exact = row.ours["parameters_exact"].value or 0
    agrees: Status = "reproduced" if row.verdict == "agrees" else "arithmetic agrees"
    status: Status = "not reproduced" if row.verdict.startswith("not") else agrees
    return Entry(what, f"{printed:.2f}", f"{exact:,.0f}", status, row.verdict)


def _multiply_adds(what: str, printed: float, row: Row) -> Entry:
    at_300, at_312 = (row.ours[key].value or 0.0 for key in ("multiply_adds", "multiply_adds_312"))
    near = abs(at_312 - printed) <= _SAME_AT_312 * printed
    why = f"one pass; {at_312:.2f} at 312 pixels" + (", within 3 %" if near else "")
    status: Status = "arithmetic agrees" if near else "not reproduced"
    return Entry(what, f"{printed:.2f}", f"{at_300:.2f} at 300", status, why)


def _scored(name: str, run: RunDefinition, key: str, printed: float, row: Row | None, *, whole: bool) -> Entry:
    spread = run.published_spread.get(key)
    shown = f"{printed:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")
    ours = row.ours.get(key) if row else None
    status, why = _status(name, printed, _interval_of(row, key), whole=whole)
    if run.title.startswith("MobileNetV2 without") and key == "weighted_f1":
        why += f"; a constant guess at prevalence 0.67 scores {100 * constant_weighted_f1(0.67):.2f}"
    return Entry(f"{run.title}: {_COLUMNS.get(key, key)}", shown, _ours(ours), status, why)


def _interval_of(row: Row | None, key: str) -> Number | None:
    """Where the truth may lie: of the mean over folds, the interval of the pooled cells."""
    return row.ours.get("weighted_f1" if key == "fold_weighted_f1" else key) if row else None


def _status(name: str, printed: float, ours: Number | None, *, whole: bool) -> tuple[Status, str]:
    if name == "table2":
        return "needs the challenge's server", "`lymphoscope reproduce table2` writes the file for it"
    if not whole or ours is None or ours.value is None:
        limited = "; ours is of the limited run above" if ours is not None and ours.value is not None else ""
        return "needs the full data", _NEEDS.get(name, "all of C-NMC") + limited
    if ours.low is not None and ours.high is not None:
        inside = ours.low <= printed <= ours.high
        return ("reproduced", "inside our interval") if inside else ("not reproduced", "outside our interval")
    return "not reproduced", "no interval"


_NEEDS = {
    "table3": "the authors' cells (PD) are private",
    "table4": "all of C-NMC, and for the time a GTX 1080 Ti",
}


def _ours(number: Number | None) -> str:
    if number is None or number.value is None:
        return ""
    interval = f" ({number.low:.2f} to {number.high:.2f})" if number.low is not None and number.high is not None else ""
    return f"{number.value:.2f}{interval}" + (f" ± {number.spread:.2f}" if number.spread is not None else "")


def _legend(statuses: Mapping[Status, int]) -> list[str]:
    rows = [(status, str(statuses.get(status, 0)), meaning) for status, meaning in MEANINGS.items()]
    return _table(("status", "numbers", "meaning"), rows)


def _kept(results: Iterable[Result]) -> Iterator[str]:
    for result in results:
        limits = " ".join([*result.limited, *result.facts] if result.limited else ["Nothing limited.", *result.facts])
        yield (
            f"\n**{result.title}** was run on {result.date}, {result.device}, commit {result.commit}: "
            f"`{result.command}`. Cells: {result.data.get('cells', 'not said')}. {limits}"
        )


def _claim_row(claim: Claim) -> tuple[str, ...]:
    return claim.where, claim.says, claim.status, claim.why


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


_INTRODUCTION = """\
# Reproduction: what became of each number

Research software, not a medical device.

Every number of Tables 1 to 4 and of the text of Liu et al., Diagnostics 2022, 12, 16, with its status. Written by
`lymphoscope reproduce ledger --out docs` from the experiments' definitions, from counts made on the spot, and from the
results kept in `docs/results`; a test holds this page equal to what the command writes. How to run the experiments:
[experiments.md](experiments.md).

Two kinds of numbers are left out, since nothing can become of them: what the paper quotes of other work in its
introduction, and the settings of sections 2.2 and 3.1 (thresholds 0.5, 300 pixels, batch 7, 120 epochs and so on). The
preset `paper` has the settings.
"""
