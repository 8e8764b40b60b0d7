"""Runs that ended -> the table of a result: our numbers, the paper's, paired tests, and what failed."""

from collections.abc import Mapping

from lymphoscope.evaluation import (
    METRICS,
    Difference,
    Estimate,
    Metrics,
    Scores,
    compare_predictions,
    read_predictions,
)
from lymphoscope.experiments.columns import Finished, column, number, percent
from lymphoscope.experiments.definition import Definition
from lymphoscope.experiments.execution import run_state, state_of
from lymphoscope.experiments.grid import GridRun
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Column, Comparison, Number, Row, RunState
from lymphoscope.runs import finish_folds

COMPARED = "weighted_f1"
_SHOWN_OF_CONSTANTS = ("weighted_f1", "accuracy", "auc")


def pooled(runs: list[GridRun], classes: int) -> dict[str, Finished]:
    """The runs whose every part is done, by name; the held-out cells of their folds judged together, once."""
    done: dict[str, Finished] = {}
    for run in runs:
        if any(state_of(part)[0] != "done" for part in run.parts()):
            continue
        if run.folds and not run.folder.report.is_file():
            finish_folds(run.folder, run.folds)
        done[run.name] = Finished(run, classes)
    return done


def columns_of(definition: Definition) -> list[Column]:
    """The columns of an experiment's table."""
    return [column(key) for key in definition.columns]


def rows_of(runs: list[GridRun], done: Mapping[str, Finished], definition: Definition) -> list[Row]:
    """A row a run; one that is not done says why in every column."""
    return [_row(run, done.get(run.name), definition) for run in runs]


def comparisons_of(done: Mapping[str, Finished], definition: Definition) -> list[Comparison]:
    """Each run against the one that the definition names, on the same held-out cells."""
    found = []
    for name, finished in done.items():
        against = finished.run.definition.against or definition.against
        if against is not None and against in done and against != name:
            found += _compared(finished, done[against])
    return found


def constants_of(done: Mapping[str, Finished]) -> list[str]:
    """What a guess that never changes scores, in a sentence for each set of held-out cells."""
    said: dict[str, list[str]] = {}
    for finished in done.values():
        if finished.metrics is not None:
            said.setdefault(_constants(finished.metrics), []).append(finished.run.definition.title)
    if len(said) == 1:
        return [f"A guess that never changes scores {text}." for text in said]
    return [
        f"On the test cells of {', '.join(whose)}, a guess that never changes scores {text}."
        for text, whose in said.items()
    ]


def states_of(runs: list[GridRun], request: Request) -> list[RunState]:
    """How every training of the grid ended."""
    return [
        run_state(run.definition.title + (f", fold {place + 1}" if run.folds else ""), part, request.out)
        for run in runs
        for place, part in enumerate(run.parts())
    ]


def _row(run: GridRun, finished: Finished | None, definition: Definition) -> Row:
    printed, spread = run.definition.published, run.definition.published_spread
    if finished is None:
        missing = Number(value=None, reason=_why(run))
        return Row(name=run.definition.title, ours=dict.fromkeys(definition.columns, missing), published=printed)
    ours = {key: number(key, finished) for key in definition.columns}
    verdict = _verdict(ours, printed)
    return Row(name=run.definition.title, ours=ours, published=printed, published_spread=spread, verdict=verdict)


def _constants(metrics: Metrics) -> str:
    def shown(score: Estimate) -> str:
        return "none" if score.value is None else f"{100 * score.value:.2f}"

    def described(scores: Scores) -> str:
        return ", ".join(f"{METRICS[name].title} {shown(scores[name])}" for name in _SHOWN_OF_CONSTANTS)

    return "; ".join(f"always {name}: {described(scores)} %" for name, scores in metrics.constant_baselines.items())


def _why(run: GridRun) -> str:
    for place, part in enumerate(run.parts()):
        state, _, reason = state_of(part)
        if state == "failed":
            return (f"fold {place + 1} failed: " if run.folds else "failed: ") + str(reason)
    return "not run yet"


def _verdict(ours: Mapping[str, Number], printed: Mapping[str, float]) -> str:
    """Where the paper's WF1S lies against our interval, which is that of the pooled cells."""
    ourselves = ours.get("weighted_f1")
    paper = next((printed[key] for key in ("fold_weighted_f1", "weighted_f1") if key in printed), None)
    if paper is None or ourselves is None or ourselves.value is None:
        return ""
    if ourselves.low is None or ourselves.high is None:
        return f"ours is {ourselves.value - paper:+.2f} points from the paper's, without an interval"
    where = "above" if paper > ourselves.high else "below" if paper < ourselves.low else "inside"
    return f"the paper's {paper:.2f} lies {where} our interval"


def _compared(one: Finished, other: Finished) -> list[Comparison]:
    if one.metrics is None or other.metrics is None:
        return []
    tables = [read_predictions(each.run.folder.predictions) for each in (one, other)]
    if set(tables[0]["path"]) != set(tables[1]["path"]):
        return []
    found = compare_predictions(tables[0], tables[1], blast_class=one.metrics.blast_class)
    names = {"row": one.run.definition.title, "against": other.run.definition.title, "column": COMPARED}
    paired = found.differences[COMPARED]
    unit = found.bootstrap.unit
    mcnemar = (
        f"McNemar, exact: {found.mcnemar.only_one_right} cells that only the first has right, "
        f"{found.mcnemar.only_other_right} only the second"
    )
    return [
        Comparison(**names, difference=_points(paired), p=paired.p, test=f"paired bootstrap over {unit}s"),
        Comparison(**names, difference=Number(value=None), p=found.mcnemar.p, test=mcnemar),
    ]


def _points(difference: Difference) -> Number:
    low, high = percent(difference.low), percent(difference.high)
    return Number(value=percent(difference.value), low=low, high=high, reason=difference.reason)
