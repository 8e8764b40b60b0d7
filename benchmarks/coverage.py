"""Coverage of the 95 % intervals and level of the tests, in simulated studies: `python benchmarks/coverage.py`.

An entry above 99 % is marked where the room for exceptional subjects, which is an exact bound, makes it so: without the
room its intervals hold the true value in at most 99 % of the same studies. With `--tests` each study has two equally
good models, and the table says how often each test finds a difference at the level of 5 %. With `--curves` the
intervals are those of the curves of a report: the ROC band of the cells, which begins at a rate that depends on the
number of subjects, and of subjects, told apart by their share of predicted positives, the AUC and the net benefit; a
layout of more subjects is added, whose band begins below 0.05. `--save FILE` keeps each row as it is finished; the same
command continues with the rows that are missing.

Each study has subjects of two classes. Their cells share a random effect, so that some subjects are hard. The layouts
say how many subjects and cells there are, the worlds how subjects differ. The true value is that of all cells of very
many studies. The table of docs/evidence.md is the output of this command.
"""

import argparse
import json
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lymphoscope.evaluation import CALIBRATION_METRICS, METRICS, Indices, Metric, MetricGroup, Outcomes, metric_group
from lymphoscope.evaluation.auc_test import compare_areas
from lymphoscope.evaluation.bootstrap import BootstrapSamples
from lymphoscope.evaluation.comparison import discordant_cells
from lymphoscope.evaluation.estimates import Bootstrap, Estimate
from lymphoscope.evaluation.exchange_test import exchange_p
from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.outcomes import Floats, WeightedOutcomes, Weights
from lymphoscope.evaluation.roc import roc_curve
from lymphoscope.evaluation.subjects.decision_curve import decision_curves
from lymphoscope.evaluation.subjects.subject_level import auc_of_subjects
from lymphoscope.evaluation.units import units_of

CLASSES = ("all", "hem")
_FIVE_PERCENT = 0.05 + 1e-9
ALL = {name: each for name, each in (METRICS | CALIBRATION_METRICS).items() if each.scale != "biased"}
"""The metrics that have an interval."""
Answers = dict[str, list[bool | None]]
"""Name of a number: yes or no for each study, None where its interval or test was refused."""
EXCHANGES: Final = 999
_FEWEST = 0.1
COVERAGE, LEVELS = (0.92, 0.99), (0.03, 0.07)
"""The shares that are aimed at."""


@dataclass(frozen=True)
class Layout:
    """Numbers of positive and negative subjects, and their cells: a log-normal spread, and the share of the largest.

    `of_both` persons are a positive and a negative subject at once: they have cells of both classes, and one effect.
    """

    positives: int
    negatives: int
    cells: float
    spread: float = 0.0
    share_of_three: float = 0.0
    of_both: int = 0

    @property
    def persons(self) -> Indices:
        """The person, of which a bootstrap draws, that is each subject: positives first."""
        persons = np.arange(self.positives + self.negatives)
        persons[self.positives : self.positives + self.of_both] = np.arange(self.of_both)
        return persons

    def sizes(self, generator: np.random.Generator) -> Indices:
        """Cells of each subject, positives first."""
        number = self.positives + self.negatives
        sizes = (
            self.cells * np.exp(generator.normal(0, self.spread, number))
            if self.spread
            else np.full(number, self.cells)
        )
        if self.share_of_three:
            total = self.cells * self.positives
            sizes[:3] = self.share_of_three * total / 3
            sizes[3 : self.positives] = (1 - self.share_of_three) * total / (self.positives - 3)
        return np.maximum(1, np.round(sizes)).astype(np.int64)


@dataclass(frozen=True)
class World:
    """How subjects differ: the tails of their effect, the share of odd ones, and whether larger ones are harder.

    `spread` is the standard deviation of the effect, `ease` how far typical subjects are from the threshold.
    """

    tails: float = np.inf
    odd: float = 0.0
    tied: float = 0.0
    spread: float = 0.8
    ease: float = 1.8


LAYOUTS: Final = {
    "30+30 equal": Layout(30, 30, 20),
    "13+15 log-normal": Layout(13, 15, 30, spread=1.0),
    "21+13, three hold 84 %": Layout(21, 13, 15, share_of_three=0.84),
    "5+5 equal": Layout(5, 5, 30),
    "12+9, one of both": Layout(12, 9, 20, spread=0.5, of_both=1),
    "20+16, twelve of both": Layout(20, 16, 20, spread=0.7, of_both=12),
    "20+100 log-normal": Layout(20, 100, 10, spread=0.7),
}
LAYOUTS_OF_CURVES: Final = LAYOUTS | {"60+60 equal": Layout(60, 60, 10)}
WORLDS: Final = {
    "normal": World(),
    "t3": World(tails=3.0),
    "1 % odd": World(odd=0.01),
    "3 % odd": World(odd=0.03),
    "5 % odd": World(odd=0.05),
    "large are harder": World(tied=0.4),
    "subjects differ more": World(spread=1.5, ease=0.8),
}


def study(layout: Layout, world: World, generator: np.random.Generator) -> tuple[Outcomes, Indices]:
    """Draw one study: its outcomes (N,), and the person of each cell (N,)."""
    sizes, persons = layout.sizes(generator), layout.persons
    truth = np.repeat([0, 1], [layout.positives, layout.negatives])
    effect = _effects(world, len(sizes), generator)[persons]
    ease = world.ease - world.tied * np.log(sizes / layout.cells)
    ease = np.where(generator.random(len(sizes))[persons] < world.odd, -world.ease, ease)
    centre = np.where(truth == 0, ease, -ease) + effect
    subject = np.repeat(np.arange(len(sizes)), sizes)
    score = expit(1.5 * (centre[subject] + generator.normal(0, 1, len(subject))))
    scores = np.stack([score, 1 - score], axis=1)
    return Outcomes(truth[subject], scores.argmax(axis=1), scores, CLASSES, positive_index=0), persons[subject]


def true_values(
    layout: Layout, world: World, studies: int = 500, metrics: Mapping[str, Metric] = ALL
) -> dict[str, float]:
    """The metrics of all cells of very many studies."""
    generator = np.random.default_rng(99)
    drawn = [study(layout, world, generator)[0] for _ in range(studies)]
    truth, predicted, scores = (
        np.concatenate([getattr(each, field) for each in drawn]) for field in ("truth", "predicted", "scores")
    )
    every = Weights(np.ones((1, 1)), np.zeros(len(truth), dtype=np.int64))
    cells = WeightedOutcomes(Outcomes(truth, predicted, scores, CLASSES, positive_index=0), every)
    return {name: float(metric.compute(cells)[0]) for name, metric in metrics.items()}


def two_models(layout: Layout, world: World, generator: np.random.Generator) -> tuple[Outcomes, Outcomes, Indices]:
    """Draw a study of two equally good models, which share half of what makes a subject, or a cell, hard."""
    sizes = layout.sizes(generator)
    truth = np.repeat([0, 1], [layout.positives, layout.negatives])
    subject = np.repeat(np.arange(len(sizes)), sizes)
    ease, persons = world.ease - world.tied * np.log(sizes / layout.cells), layout.persons
    shared, shared_cell = _effects(world, len(sizes), generator), generator.normal(0, 0.7, len(subject))
    models = []
    for _ in range(2):
        own = np.where(generator.random(len(sizes))[persons] < world.odd, -world.ease, ease)
        effect = (shared + _effects(world, len(sizes), generator)) / np.sqrt(2)
        centre = np.where(truth == 0, own, -own) + effect[persons]
        score = expit(1.5 * (centre[subject] + shared_cell + generator.normal(0, 0.7, len(subject))))
        scores = np.stack([score, 1 - score], axis=1)
        models.append(Outcomes(truth[subject], scores.argmax(axis=1), scores, CLASSES, positive_index=0))
    return models[0], models[1], persons[subject]


def levels(
    layout: Layout, world: World, studies: int, exchanges: int = EXCHANGES, metrics: Mapping[str, Metric] = ALL
) -> dict[str, float | None]:
    """The share of studies of two equally good models, among those tested, in which each test has p of at most 0.05.

    None for a test that none of the studies has.
    """
    return _shares(rejections(layout, world, studies, exchanges, metrics))


def rejections(
    layout: Layout,
    world: World,
    studies: int,
    exchanges: int = EXCHANGES,
    metrics: Mapping[str, Metric] = ALL,
    seed_of_studies: int = 8,
) -> Answers:
    """Whether each test of two equally good models has p of at most 0.05, study by study."""
    generator = np.random.default_rng(seed_of_studies)
    rejected: Answers = {}
    exchanged = {name: each for name, each in metrics.items() if name != "auc"}  # tested by ranks
    for seed in range(studies):
        one, other, person = two_models(layout, world, generator)
        # Numbered from 0 without gaps, as the units of a bootstrap are.
        person = np.unique(person, return_inverse=True)[1]
        p_values = exchange_p(one, other, person, partial(_group, metrics=exchanged), exchanges=exchanges, seed=seed)
        names = person.astype(object)
        if "auc" in metrics:
            p_values["auc"] = compare_areas(one.truth == 0, np.stack([one.scores[:, 0], other.scores[:, 0]]), names).p
        p_values["discordant"] = discordant_cells(one.correct, other.correct, names).p
        for name, p in p_values.items():
            rejected.setdefault(name, []).append(None if p is None else p <= _FIVE_PERCENT)
    return rejected


def _shares(answers: Answers) -> dict[str, float | None]:
    """The share of yes among the answers that there are; None where one in ten, or fewer, is given."""
    given = {name: [answer for answer in each if answer is not None] for name, each in answers.items()}
    return {
        name: float(np.mean(each)) if len(each) > _FEWEST * len(answers[name]) else None for name, each in given.items()
    }


def _group(outcomes: Outcomes, metrics: Mapping[str, Metric]) -> MetricGroup:
    return metric_group(outcomes, np.ones(len(outcomes.truth), dtype=bool), metrics)


def _effects(world: World, subjects: int, generator: np.random.Generator) -> NDArray[np.float64]:
    if np.isinf(world.tails):
        return generator.normal(0, world.spread, subjects)
    return np.asarray(0.5 * generator.standard_t(world.tails, subjects))


def coverage(
    layout: Layout, world: World, studies: int, replicates: int = 200, metrics: Mapping[str, Metric] = ALL
) -> dict[str, float | None]:
    """The share of studies in which the interval of each metric holds the true value; None where it has no interval."""
    return _shares(holds(layout, world, studies, replicates, metrics))


def holds(
    layout: Layout,
    world: World,
    studies: int,
    replicates: int = 200,
    metrics: Mapping[str, Metric] = ALL,
    seed_of_studies: int = 8,
    *,
    room: bool = True,
) -> Answers:
    """Whether the interval of each metric holds the true value, study by study.

    Without `room` for exceptional subjects, its worse end is that of the t interval alone.
    """
    true = true_values(layout, world, metrics=metrics)
    generator = np.random.default_rng(seed_of_studies - 1)
    held: Answers = {name: [] for name in metrics}
    for seed in range(studies):
        outcomes, person = study(layout, world, generator)
        units = units_of(person, outcomes.truth, len(CLASSES))
        bootstrap = Bootstrap(unit="subject", units=units.number, replicates=replicates, seed=seed, level=LEVEL)
        scores = _group(outcomes, metrics).remembered()
        groups = {"scores": scores} if room else {"scores": scores, "t": _without_room(scores)}
        estimates = BootstrapSamples(units, CLASSES, bootstrap).estimate(groups)
        for name, estimate in estimates["scores"].items():
            answer = _within(true[name], estimate)
            if answer and not room:
                answer = _within_worse_end(true[name], estimates["t"][name], metrics[name].worst)
            held[name].append(answer)
    return held


CURVES: Final = ("band", "subjects")
"""The ROC band, and what tells subjects apart: their AUC and the decision curve."""


def holds_of_curves(
    layout: Layout,
    world: World,
    studies: int,
    replicates: int = 200,
    seed_of_studies: int = 8,
    curves: Collection[str] = CURVES,
) -> Answers:
    """Whether the band of the ROC curve, the AUC of subjects and their net benefit hold the true value, by study.

    Persons of both classes have no one label: their layouts have the band alone.
    """
    generator = np.random.default_rng(99)
    true = _curves([study(layout, world, generator) for _ in range(500)], layout)
    true = {name: value for name, value in true.items() if ("band" if name.startswith("ROC") else "subjects") in curves}
    generator = np.random.default_rng(seed_of_studies - 1)
    held: Answers = {name: [] for name in true}
    for seed in range(studies):
        drawn = study(layout, world, generator)
        outcomes, person = drawn
        bootstrap = Bootstrap(unit="subject", units=0, replicates=replicates, seed=seed, level=LEVEL)
        estimates = {}
        if "band" in curves:
            estimates = _band(outcomes, BootstrapSamples(units_of(person, outcomes.truth, 2), CLASSES, bootstrap))
        if "subjects" in curves and not layout.of_both:
            subjects, share = _subjects([drawn])
            units = units_of(np.arange(len(share)), subjects.truth, 2)
            samples = BootstrapSamples(units, CLASSES, bootstrap)
            estimates["AUC of subjects"] = samples.estimate({"": auc_of_subjects(subjects)})[""]["auc"]
            for benefit in decision_curves(share, subjects.is_positive, np.arange(len(share)))[0].points:
                estimates[f"net benefit at {benefit.threshold:g}"] = benefit.net_benefit
        for name, value in true.items():
            held[name].append(_within(value, estimates[name]))
    return held


def _band(outcomes: Outcomes, samples: BootstrapSamples) -> dict[str, Estimate]:
    curve = roc_curve(outcomes, samples)
    if curve is None:
        raise ValueError("a study needs cells of both classes")
    estimates = {}
    for rate in _RATES:
        low, high = (float(np.interp(rate, curve.grid, each)) for each in (curve.low, curve.high))
        has_band = curve.band_from is not None and rate >= curve.band_from
        estimates[f"ROC at {rate}"] = Estimate(value=None, **({"low": low, "high": high} if has_band else {}))
    return estimates


_RATES: Final = (0.05, 0.1, 0.2, 0.5, 0.8)
_THRESHOLDS: Final = (0.2, 0.5, 0.8)


def _curves(drawn: list[tuple[Outcomes, Indices]], layout: Layout) -> dict[str, float]:
    """The true values: those of all cells, and of all subjects, of very many studies."""
    scores, truth = (
        np.concatenate([each for each, _ in pairs])
        for pairs in ([(one.scores[:, 0], 0) for one, _ in drawn], [(one.truth, 0) for one, _ in drawn])
    )
    limits = np.quantile(scores[truth == 1], [1 - rate for rate in _RATES])
    true = {
        f"ROC at {rate}": float((scores[truth == 0] > each).mean()) for rate, each in zip(_RATES, limits, strict=True)
    }
    if layout.of_both:
        return true
    subjects, share = _subjects(drawn)
    true["AUC of subjects"] = float(METRICS["auc"].compute(WeightedOutcomes.unweighted(subjects))[0])
    for limit in _THRESHOLDS:
        found, alarms = ((share[subjects.truth == index] >= limit).mean() for index in (0, 1))
        true[f"net benefit at {limit:g}"] = float(0.05 * found - 0.95 * alarms * limit / (1 - limit))
    return true


def _subjects(drawn: list[tuple[Outcomes, Indices]]) -> tuple[Outcomes, Floats]:
    """One entry per subject of all studies, with its share (S,) of cells that are predicted as positive."""
    shares, truths = [], []
    for outcomes, person in drawn:
        shares.append(np.bincount(person, outcomes.predicted == 0) / np.bincount(person))
        truths.append(np.bincount(person, outcomes.truth) > 0)
    share, truth = np.concatenate(shares), np.concatenate(truths).astype(np.int64)
    return Outcomes(truth, truth, np.stack([share, 1 - share], axis=1), CLASSES, positive_index=0), share


def _without_room(group: MetricGroup) -> MetricGroup:
    """The same numbers with t intervals alone: no worst value, and the bounds of a share without its exact ends."""
    specs = {
        name: replace(spec, worst=None, exceptional=None, scale="bounded" if spec.scale == "share" else spec.scale)
        for name, spec in group.specs.items()
    }
    return MetricGroup(group.compute, specs)


def _within(true: float, estimate: Estimate) -> bool | None:
    if estimate.low is None or estimate.high is None:
        return None
    return estimate.low <= true <= estimate.high


def _within_worse_end(true: float, estimate: Estimate, worst: float | None) -> bool:
    """Not without an interval: a share at its end has none but for the room."""
    if estimate.low is None or estimate.high is None or estimate.value is None:
        return False
    return true <= estimate.high if worst is not None and worst > estimate.value else true >= estimate.low


@dataclass(frozen=True)
class Row:
    """The answers of one layout and world: of each number how often yes, of how many; and refused, of all answers.

    `exact` are the numbers whose share of yes is above that aimed at only because of the room; `seconds` is the
    processor time.
    """

    yes: dict[str, float | None]
    refused: float
    exact: list[str]
    seconds: float


def measure(layout: Layout, world: World, metrics: Mapping[str, Metric], *, studies: int, seed: int) -> Row:
    """One row of the table of coverage."""
    start = time.process_time()
    answers = holds(layout, world, studies, metrics=metrics, seed_of_studies=seed)
    shares = _shares(answers)
    high = {name: metrics[name] for name, share in shares.items() if share is not None and share > COVERAGE[1]}
    without = _shares(holds(layout, world, studies, metrics=high, seed_of_studies=seed, room=False)) if high else {}
    exact = [name for name, share in without.items() if (share or 0.0) <= COVERAGE[1]]
    return Row(shares, _refused(answers), exact, time.process_time() - start)


def measure_curves(
    layout: Layout,
    world: World,
    _: Mapping[str, Metric],
    *,
    studies: int,
    seed: int,
    curves: Collection[str] = CURVES,
) -> Row:
    """One row of the table of curves."""
    start = time.process_time()
    answers = holds_of_curves(layout, world, studies, seed_of_studies=seed, curves=curves)
    return Row(_shares(answers), _refused(answers), [], time.process_time() - start)


def measure_tests(layout: Layout, world: World, metrics: Mapping[str, Metric], *, studies: int, seed: int) -> Row:
    """One row of the table of levels."""
    start = time.process_time()
    answers = rejections(layout, world, studies, metrics=metrics, seed_of_studies=seed)
    return Row(_shares(answers), _refused(answers), [], time.process_time() - start)


def _refused(answers: Answers) -> float:
    return float(np.mean([answer is None for each in answers.values() for answer in each]))


def rows_of(options: argparse.Namespace, metrics: Mapping[str, Metric]) -> Iterator[tuple[str, str, Row]]:
    """Every row that is asked for, in order; those of the file `--save` are not measured again."""
    done: dict[str, Row] = {}
    if options.save and options.save.exists():
        done = {key: Row(**row) for key, row in map(json.loads, options.save.read_text().splitlines())}
    curves = None if options.curves is None else options.curves or CURVES
    layouts = LAYOUTS if curves is None else LAYOUTS_OF_CURVES
    if curves is not None and "band" not in curves:
        layouts = {name: each for name, each in layouts.items() if not each.of_both}
    wanted = [tuple(each) for each in options.row] if options.row else list(product(layouts, WORLDS))
    run = measure_tests if options.tests else measure if curves is None else partial(measure_curves, curves=curves)
    kind = " ".join(["tests" if options.tests else "intervals", *(curves or ())])
    for layout, world in wanted:
        key = " ".join([layout, world, kind, str(options.studies), str(options.seed), *metrics])
        if key not in done:
            done[key] = run(layouts[layout], WORLDS[world], metrics, studies=options.studies, seed=options.seed)
            if options.save:
                with options.save.open("a") as file:
                    file.write(json.dumps([key, vars(done[key])]) + "\n")
        yield layout, world, done[key]


def summary(rows: Collection[Row], *, tests: bool) -> str:
    """How many entries are outside the range that is aimed at."""
    low, high = LEVELS if tests else COVERAGE
    entries = [(share, name in row.exact) for row in rows for name, share in row.yes.items() if share is not None]
    below, above = (sum(each) for each in zip(*((share < low, share > high) for share, _ in entries), strict=True))
    exact = "" if tests else f", of which the exact bound makes {sum(by_room for _, by_room in entries)} so (*)"
    lowest, highest = min(entries)[0], max(entries)[0]
    return (
        f"Of {len(entries)} entries {below} are below {low:.0%}, {above} above {high:.0%}{exact}; "
        f"lowest {lowest:.1%}, highest {highest:.1%}."
    )


def main() -> None:
    """Print the table as Markdown."""
    every = METRICS | CALIBRATION_METRICS
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="studies for each row of the table")
    parser.add_argument("--tests", action="store_true", help="the level of the tests of two models, not the coverage")
    parser.add_argument(
        "--curves", nargs="*", choices=CURVES, help="the intervals of the curves of a report: all, or only these"
    )
    parser.add_argument("--only", nargs="*", choices=every, metavar="METRIC", help="the metrics that are measured")
    parser.add_argument("--without", nargs="*", default=[], choices=every, metavar="METRIC", help="those that are not")
    parser.add_argument(
        "--row", nargs=2, action="append", metavar=("SUBJECTS", "WORLD"), help="this row only; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=8, help="of the studies")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep finished rows, and do not measure them again")
    options = parser.parse_args()
    some = {name: every[name] for name in options.only or every if name not in options.without}
    metrics = some if options.tests else {name: each for name, each in some.items() if name in ALL}
    rows: list[Row] = []
    for layout, world, row in rows_of(options, metrics):
        if not rows:
            titles = [every[name].title if name in every else name for name in row.yes]
            print(f"| subjects | world | {' | '.join(titles)} | refused |\n|---|---|{'---:|' * (len(titles) + 1)}")
        shares = {name: "none" if share is None else f"{100 * share:.1f}" for name, share in row.yes.items()}
        cells = [f"{shown}*" if name in row.exact else shown for name, shown in shares.items()]
        print(f"| {layout} | {world} | {' | '.join(cells)} | {100 * row.refused:.1f} |", flush=True)
        rows.append(row)
    print(f"\n{summary(rows, tests=options.tests)}")
    print(f"Percent of {options.studies} studies per row; {sum(row.seconds for row in rows):.0f} s of one core.")


if __name__ == "__main__":
    main()
