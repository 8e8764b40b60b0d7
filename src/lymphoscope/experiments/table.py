"""The finished runs of a grid -> the table of its result: our numbers, the paper's, paired tests, and what failed."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

import pandas as pd

from lymphoscope.evaluation import (
    METRICS,
    Estimate,
    Metrics,
    Scores,
    classes_of,
    compare_predictions,
    holm,
    read_predictions,
)
from lymphoscope.experiments.columns import FinishedRun, percent, read_number
from lymphoscope.experiments.definition import Definition
from lymphoscope.experiments.execution import run_state, state_of
from lymphoscope.experiments.grid import GridRun
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Comparison, Number, Row, RunState
from lymphoscope.experiments.seeds import estimate_over_seeds
from lymphoscope.runs import finish_folds
from lymphoscope.vocabulary import find_blast_class

_ONE_SEED = "it compares these trained models; --seeds N compares the methods"
_CONSTANT_METRICS = ("weighted_f1", "accuracy", "auc")

Finished = Mapping[str, Sequence[FinishedRun]]
"""The finished runs by name, one per seed."""


def finished_runs(runs: Sequence[GridRun], num_classes: int) -> dict[str, list[FinishedRun]]:
    """The runs of which every part is done, by name, one per seed.

    The held-out cells of the folds of a run are evaluated together, once.
    """
    finished: dict[str, list[FinishedRun]] = {}
    for run in runs:
        if any(state_of(part)[0] != "done" for part in run.parts()):
            continue
        if run.folds and not run.frozen and not run.folder.report.is_file():
            finish_folds(run.folder, run.folds)
        finished.setdefault(run.name, []).append(FinishedRun(run, num_classes))
    return finished


def build_table(runs: Sequence[GridRun], finished: Finished, columns: Sequence[str]) -> list[Row]:
    """One row per name of a run; a run that is not done states why in every column.

    Over several seeds a number is the mean of the seeds, and its spread their standard deviation.
    """
    first = {run.name: run for run in reversed(runs)}
    return [
        _build_row(first[name], finished.get(name, ()), columns) for name in dict.fromkeys(run.name for run in runs)
    ]


def compare_runs(finished: Finished, definition: Definition) -> list[Comparison]:
    """Each run against the one that the definition names, on the same held-out cells.

    P values of one metric are adjusted by Holm's method for the number of comparisons.
    """
    pairs = []
    for name, first in finished.items():
        against = first[0].run.definition.against or definition.against
        if against is not None and against in finished and against != name:
            pairs.append((first, finished[against]))
    by_metric = [_compare(first, second, definition.compared) for first, second in pairs]
    adjusted = []
    for metric in definition.compared:
        tests = [test for tests in by_metric for test in tests if test.column == metric and test.is_paired]
        for test, p in zip(tests, holm([test.p for test in tests]), strict=True):
            adjusted.append(test.model_copy(update={"p_adjusted": p}))
    return [*adjusted, *(test for tests in by_metric for test in tests if not test.is_paired)]


def constant_baselines(finished: Finished) -> list[str]:
    """What always predicting one class scores, one sentence for each set of held-out cells."""
    titles: dict[str, list[str]] = {}
    for each in (of_name[0] for of_name in finished.values()):
        if each.metrics is not None:
            titles.setdefault(_constant_scores(each.metrics), []).append(each.run.definition.title)
    if len(titles) == 1:
        return [f"Always predicting one class scores {text}." for text in titles]
    return [
        f"On the test cells of {', '.join(runs)}, always predicting one class scores {text}."
        for text, runs in titles.items()
    ]


def run_states(runs: Sequence[GridRun], request: Request) -> list[RunState]:
    """How every training of the grid ended."""
    return [
        run_state(run.title + (f", fold {number + 1}" if run.folds and not run.frozen else ""), part, request.out)
        for run in runs
        for number, part in enumerate(run.parts())
    ]


def _build_row(run: GridRun, finished: Sequence[FinishedRun], columns: Sequence[str]) -> Row:
    title, published = run.definition.title, run.definition.published
    if not finished:
        missing = Number(value=None, reason=_why_unfinished(run))
        return Row(name=title, ours=dict.fromkeys(columns, missing), published=published)
    over_seeds = run.frozen or len(finished) > 1
    ours = (
        _numbers_over_seeds(finished, columns)
        if over_seeds
        else {key: read_number(key, finished[0]) for key in columns}
    )
    spread = run.definition.published_spread
    verdict = _compare_to_paper(ours, published)
    if over_seeds and len(finished) > 1:
        verdict = "; ".join(filter(None, [f"{len(finished)} seeds", verdict]))
    return Row(name=title, ours=ours, published=published, published_spread=spread, verdict=verdict)


def _numbers_over_seeds(finished: Sequence[FinishedRun], columns: Sequence[str]) -> dict[str, Number]:
    estimates = estimate_over_seeds(*_tables(finished)) if set(columns) & set(METRICS) else {}
    numbers = {}
    for key in columns:
        if key in estimates:
            estimate, values = estimates[key].estimate, [100 * value for value in estimates[key].values]
            spread = stdev(values) if len(values) > 1 else None
            numbers[key] = _in_points(estimate).model_copy(update={"spread": spread})
            continue
        each = [read_number(key, one) for one in finished]
        values = [number.value for number in each if number.value is not None]
        numbers[key] = Number(value=fmean(values), spread=stdev(values)) if len(values) > 1 else each[0]
    return numbers


def _tables(finished: Sequence[FinishedRun]) -> tuple[list[pd.DataFrame], str | None]:
    """The predictions of the held-out cells, one table per seed, and the blast class."""
    tables = [read_predictions(each.run.folder.predictions) for each in finished]
    return tables, find_blast_class(classes_of(tables[0]))


def _constant_scores(metrics: Metrics) -> str:
    def shown(score: Estimate) -> str:
        return "none" if score.value is None else f"{100 * score.value:.2f}"

    def described(scores: Scores) -> str:
        return ", ".join(f"{METRICS[name].title} {shown(scores[name])}" for name in _CONSTANT_METRICS)

    return "; ".join(f"always {name}: {described(scores)} %" for name, scores in metrics.constant_baselines.items())


def _why_unfinished(run: GridRun) -> str:
    for number, part in enumerate(run.parts()):
        state, _, reason = state_of(part)
        if state == "failed":
            return (f"fold {number + 1} failed: " if run.folds else "failed: ") + str(reason)
    return "not run yet"


def _compare_to_paper(ours: Mapping[str, Number], published: Mapping[str, float]) -> str:
    """Where the paper's WF1S lies relative to our interval, which is that of all held-out cells."""
    score = ours.get("weighted_f1")
    paper = next((published[key] for key in ("fold_weighted_f1", "weighted_f1") if key in published), None)
    if paper is None or score is None or score.value is None:
        return ""
    if score.low is None or score.high is None:
        return f"ours is {score.value - paper:+.2f} points from the paper's, without an interval"
    position = "above" if paper > score.high else "below" if paper < score.low else "inside"
    return f"the paper's {paper:.2f} is {position} our interval"


def _compare(first: Sequence[FinishedRun], second: Sequence[FinishedRun], metrics: Sequence[str]) -> list[Comparison]:
    if first[0].run.frozen or min(len(first), len(second)) > 1:
        return _compare_over_seeds(first, second, metrics)
    return _compare_models(first[0], second[0], metrics)


def _compare_over_seeds(
    first: Sequence[FinishedRun], second: Sequence[FinishedRun], metrics: Sequence[str]
) -> list[Comparison]:
    """Compare two methods by the seeds that both have."""
    by_seed = {each.run.seed_number: each for each in second}
    pairs = [(each, by_seed[each.run.seed_number]) for each in first if each.run.seed_number in by_seed]
    if not pairs:
        return []
    tables, blast_class = _tables([one for one, _ in pairs])
    differences = estimate_over_seeds(tables, blast_class, minus=_tables([other for _, other in pairs])[0])
    test = f"bootstrap over subjects, and {len(pairs)} seeds" if len(pairs) > 1 else f"bootstrap; {_ONE_SEED}"
    return [
        Comparison(
            row=first[0].run.definition.title,
            against=second[0].run.definition.title,
            column=metric,
            difference=_in_points(differences[metric].estimate),
            p=differences[metric].estimate.p,
            test=test,
        )
        for metric in metrics
    ]


def _compare_models(first: FinishedRun, second: FinishedRun, metrics: Sequence[str]) -> list[Comparison]:
    """Compare two trained models on the same held-out cells."""
    if first.metrics is None or second.metrics is None:
        return []
    tables = [read_predictions(each.run.folder.predictions) for each in (first, second)]
    if set(tables[0]["path"]) != set(tables[1]["path"]):
        return []
    comparison = compare_predictions(tables[0], tables[1], blast_class=first.metrics.blast_class)
    sign_flips = (
        f"sign flips over subjects: {comparison.discordant.only_one_right} cells that only the first predicts "
        f"correctly, {comparison.discordant.only_other_right} only the second"
    )
    exchange = f"models exchanged on whole {comparison.bootstrap.unit}s; {_ONE_SEED}"
    paired = [(metric, comparison.differences[metric]) for metric in metrics]
    tests = [
        *((metric, _in_points(difference), difference.p, exchange) for metric, difference in paired),
        (metrics[0], Number(value=None), comparison.discordant.p, sign_flips),
    ]
    row, against = (each.run.definition.title for each in (first, second))
    return [
        Comparison(row=row, against=against, column=column, difference=difference, p=p, test=test)
        for column, difference, p, test in tests
    ]


def _in_points(difference: Estimate) -> Number:
    low, high = percent(difference.low), percent(difference.high)
    return Number(value=percent(difference.value), low=low, high=high, reason=difference.reason)
