"""The finished runs of a grid -> the table of its result: our numbers, the paper's, paired tests, and what failed."""

from collections.abc import Mapping, Sequence

from lymphoscope.evaluation import METRICS, Difference, Estimate, Metrics, Scores, compare_predictions, read_predictions
from lymphoscope.experiments.columns import FinishedRun, percent, read_number
from lymphoscope.experiments.definition import Definition
from lymphoscope.experiments.execution import run_state, state_of
from lymphoscope.experiments.grid import GridRun
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Comparison, Number, Row, RunState
from lymphoscope.runs import finish_folds

COMPARED_METRIC = "weighted_f1"
_CONSTANT_METRICS = ("weighted_f1", "accuracy", "auc")


def finished_runs(runs: Sequence[GridRun], num_classes: int) -> dict[str, FinishedRun]:
    """The runs of which every part is done, by name; the held-out cells of their folds are evaluated together, once."""
    finished: dict[str, FinishedRun] = {}
    for run in runs:
        if any(state_of(part)[0] != "done" for part in run.parts()):
            continue
        if run.folds and not run.folder.report.is_file():
            finish_folds(run.folder, run.folds)
        finished[run.name] = FinishedRun(run, num_classes)
    return finished


def build_table(runs: Sequence[GridRun], finished: Mapping[str, FinishedRun], columns: Sequence[str]) -> list[Row]:
    """One row per run; a run that is not done states why in every column."""
    return [_build_row(run, finished.get(run.name), columns) for run in runs]


def compare_runs(finished: Mapping[str, FinishedRun], definition: Definition) -> list[Comparison]:
    """Each run against the one that the definition names, on the same held-out cells."""
    comparisons = []
    for name, first in finished.items():
        against = first.run.definition.against or definition.against
        if against is not None and against in finished and against != name:
            comparisons += _compare(first, finished[against])
    return comparisons


def constant_baselines(finished: Mapping[str, FinishedRun]) -> list[str]:
    """What always predicting one class scores, one sentence for each set of held-out cells."""
    titles: dict[str, list[str]] = {}
    for each in finished.values():
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
        run_state(run.definition.title + (f", fold {number + 1}" if run.folds else ""), part, request.out)
        for run in runs
        for number, part in enumerate(run.parts())
    ]


def _build_row(run: GridRun, finished: FinishedRun | None, columns: Sequence[str]) -> Row:
    title, published = run.definition.title, run.definition.published
    if finished is None:
        missing = Number(value=None, reason=_why_unfinished(run))
        return Row(name=title, ours=dict.fromkeys(columns, missing), published=published)
    ours = {key: read_number(key, finished) for key in columns}
    spread = run.definition.published_spread
    return Row(
        name=title, ours=ours, published=published, published_spread=spread, verdict=_compare_to_paper(ours, published)
    )


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


def _compare(first: FinishedRun, second: FinishedRun) -> list[Comparison]:
    if first.metrics is None or second.metrics is None:
        return []
    tables = [read_predictions(each.run.folder.predictions) for each in (first, second)]
    if set(tables[0]["path"]) != set(tables[1]["path"]):
        return []
    comparison = compare_predictions(tables[0], tables[1], blast_class=first.metrics.blast_class)
    row, against = (each.run.definition.title for each in (first, second))
    paired = comparison.differences[COMPARED_METRIC]
    mcnemar = (
        f"sign flips over subjects: {comparison.discordant.only_one_right} cells that only the first predicts "
        "correctly, "
        f"{comparison.discordant.only_other_right} only the second"
    )
    bootstrap = f"paired bootstrap over {comparison.bootstrap.unit}s"
    tests = ((_in_points(paired), paired.p, bootstrap), (Number(value=None), comparison.discordant.p, mcnemar))
    return [
        Comparison(row=row, against=against, column=COMPARED_METRIC, difference=difference, p=p, test=test)
        for difference, p, test in tests
    ]


def _in_points(difference: Difference) -> Number:
    low, high = percent(difference.low), percent(difference.high)
    return Number(value=percent(difference.value), low=low, high=high, reason=difference.reason)
