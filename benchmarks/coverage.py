"""Coverage of the 95 % intervals and level of the tests, in simulated studies: `python benchmarks/coverage.py`.

With `--tests` each study has two equally good models, and the table says how often each test finds a difference at the
level of 5 %.

Each study has subjects of two classes. Their cells share a random effect, so that some subjects are hard. The layouts
say how many subjects and cells there are, the worlds how subjects differ. The true value is that of all cells of very
many studies. The table of docs/evidence.md is the output of this command.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lymphoscope.evaluation import CALIBRATION_METRICS, METRICS, Indices, Metric, MetricGroup, Outcomes, metric_group
from lymphoscope.evaluation.auc_test import compare_areas
from lymphoscope.evaluation.bootstrap import BootstrapSamples
from lymphoscope.evaluation.comparison import discordant_cells
from lymphoscope.evaluation.estimates import Bootstrap
from lymphoscope.evaluation.exchange_test import exchange_p
from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.outcomes import WeightedOutcomes
from lymphoscope.evaluation.units import units_of

CLASSES = ("all", "hem")
_FIVE_PERCENT = 0.05 + 1e-9
ALL = {name: each for name, each in (METRICS | CALIBRATION_METRICS).items() if each.scale != "biased"}
"""The metrics that have an interval."""
Answers = dict[str, list[bool | None]]
"""Name of a number: yes or no for each study, None where its interval or test was refused."""


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
}
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


def true_values(layout: Layout, world: World, studies: int = 500) -> dict[str, float]:
    """The metrics of all cells of very many studies."""
    generator = np.random.default_rng(99)
    drawn = [study(layout, world, generator)[0] for _ in range(studies)]
    truth, predicted, scores = (
        np.concatenate([getattr(each, field) for each in drawn]) for field in ("truth", "predicted", "scores")
    )
    cells = WeightedOutcomes.unweighted(Outcomes(truth, predicted, scores, CLASSES, positive_index=0))
    return {name: float(metric.compute(cells)[0]) for name, metric in ALL.items()}


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
    layout: Layout, world: World, studies: int, exchanges: int = 199, metrics: Mapping[str, Metric] = ALL
) -> dict[str, float | None]:
    """The share of studies of two equally good models, among those tested, in which each test has p of at most 0.05.

    None for a test that none of the studies has.
    """
    return _shares(rejections(layout, world, studies, exchanges, metrics))


def rejections(
    layout: Layout,
    world: World,
    studies: int,
    exchanges: int = 199,
    metrics: Mapping[str, Metric] = ALL,
    seed_of_studies: int = 8,
) -> Answers:
    """Whether each test of two equally good models has p of at most 0.05, study by study."""
    generator = np.random.default_rng(seed_of_studies)
    rejected: Answers = {}
    for seed in range(studies):
        one, other, person = two_models(layout, world, generator)
        # Numbered from 0 without gaps, as the units of a bootstrap are.
        person = np.unique(person, return_inverse=True)[1]
        p_values = exchange_p(one, other, person, partial(_group, metrics=metrics), exchanges=exchanges, seed=seed)
        names = person.astype(object)
        p_values["auc"] = compare_areas(one.truth == 0, np.stack([one.scores[:, 0], other.scores[:, 0]]), names).p
        p_values["discordant"] = discordant_cells(one.correct, other.correct, names).p
        for name, p in p_values.items():
            rejected.setdefault(name, []).append(None if p is None else p <= _FIVE_PERCENT)
    return rejected


def _shares(answers: Answers) -> dict[str, float | None]:
    """The share of yes among the answers that there are; None without any."""
    given = {name: [answer for answer in each if answer is not None] for name, each in answers.items()}
    return {name: float(np.mean(each)) if each else None for name, each in given.items()}


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
) -> Answers:
    """Whether the interval of each metric holds the true value, study by study."""
    true, generator = true_values(layout, world), np.random.default_rng(seed_of_studies - 1)
    held: Answers = {name: [] for name in metrics}
    for seed in range(studies):
        outcomes, person = study(layout, world, generator)
        units = units_of(person, outcomes.truth, len(CLASSES))
        bootstrap = Bootstrap(unit="subject", units=units.number, replicates=replicates, seed=seed, level=LEVEL)
        samples = BootstrapSamples(units, CLASSES, bootstrap)
        groups = {"scores": metric_group(outcomes, np.ones(len(person), dtype=bool), metrics)}
        for name, estimate in samples.estimate(groups)["scores"].items():
            known = estimate.low is not None and estimate.high is not None
            held[name].append(estimate.low <= true[name] <= estimate.high if known else None)
    return held


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="studies for each row of the table")
    parser.add_argument("--without", nargs="*", default=[], metavar="METRIC", help="metrics that are not measured")
    parser.add_argument("--tests", action="store_true", help="the level of the tests of two models, not the coverage")
    parser.add_argument("--row", nargs=2, metavar=("SUBJECTS", "WORLD"), help="one row of the table only")
    parser.add_argument("--seed", type=int, default=8, help="of the studies")
    options = parser.parse_args()
    start = time.process_time()
    some = {name: each for name, each in (METRICS | CALIBRATION_METRICS).items() if name not in options.without}
    every: list[float] = []
    rows = [tuple(options.row)] if options.row else list(product(LAYOUTS, WORLDS))
    for number, (layout_name, world_name) in enumerate(rows):
        layout, world = LAYOUTS[layout_name], WORLDS[world_name]
        intervals = {name: each for name, each in some.items() if name in ALL}
        answers = (
            rejections(layout, world, options.studies, metrics=some, seed_of_studies=options.seed)
            if options.tests
            else holds(layout, world, options.studies, metrics=intervals, seed_of_studies=options.seed)
        )
        if number == 0:
            titles = [(METRICS | CALIBRATION_METRICS)[name].title if name != "discordant" else name for name in answers]
            print(f"| subjects | world | {' | '.join(titles)} | refused |\n|---|---|{'---:|' * (len(titles) + 1)}")
        shares = _shares(answers)
        every += [share for share in shares.values() if share is not None]
        refused = np.mean([answer is None for each in answers.values() for answer in each])
        cells = ["none" if share is None else f"{100 * share:.1f}" for share in (*shares.values(), refused)]
        print(f"| {layout_name} | {world_name} | {' | '.join(cells)} |", flush=True)
    low, high = (0.03, 0.07) if options.tests else (0.92, 0.99)
    print(
        f"\nOf {len(every)} entries {sum(share < low for share in every)} are below {low:.0%}, "
        f"{sum(share > high for share in every)} above {high:.0%}; lowest {min(every):.1%}, highest {max(every):.1%}."
    )
    print(f"Percent of {options.studies} studies per row; {time.process_time() - start:.0f} s of one core.")


if __name__ == "__main__":
    main()
