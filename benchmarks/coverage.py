"""Coverage of the 95 % intervals and level of the tests, in simulated studies: `python benchmarks/coverage.py`.

Each study has subjects of two classes. Their cells share a random effect, so that some subjects are hard. The layouts
say how many subjects and cells there are, the worlds how subjects differ. The true value is that of all cells of very
many studies. The table of docs/evidence.md is the output of this command.
"""

import argparse
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from lymphoscope.evaluation import CALIBRATION_METRICS, METRICS, Indices, Outcomes, metric_group
from lymphoscope.evaluation.bootstrap import BootstrapSamples
from lymphoscope.evaluation.estimates import Bootstrap
from lymphoscope.evaluation.intervals import LEVEL, units_of
from lymphoscope.evaluation.outcomes import WeightedOutcomes

CLASSES = ("all", "hem")
ALL = METRICS | CALIBRATION_METRICS


@dataclass(frozen=True)
class Layout:
    """Numbers of positive and negative subjects, and their cells: a log-normal spread, and the share of the largest."""

    positives: int
    negatives: int
    cells: float
    spread: float = 0.0
    share_of_three: float = 0.0

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
    """How subjects differ: the tails of their effect, the share of odd ones, and whether larger ones are harder."""

    tails: float = np.inf
    odd: float = 0.0
    tied: float = 0.0


LAYOUTS: Final = {
    "30+30 equal": Layout(30, 30, 20),
    "13+15 log-normal": Layout(13, 15, 30, spread=1.0),
    "21+13, three hold 84 %": Layout(21, 13, 15, share_of_three=0.84),
    "5+5 equal": Layout(5, 5, 30),
}
WORLDS: Final = {
    "normal": World(),
    "t3": World(tails=3.0),
    "1 % odd": World(odd=0.01),
    "3 % odd": World(odd=0.03),
    "5 % odd": World(odd=0.05),
    "large are harder": World(tied=0.4),
}


def study(layout: Layout, world: World, generator: np.random.Generator) -> tuple[Outcomes, Indices]:
    """Draw one study: its outcomes (N,), and the subject of each cell (N,)."""
    sizes = layout.sizes(generator)
    truth = np.repeat([0, 1], [layout.positives, layout.negatives])
    effect = (
        generator.normal(0, 0.8, len(sizes))
        if np.isinf(world.tails)
        else 0.5 * generator.standard_t(world.tails, len(sizes))
    )
    ease = 1.8 - world.tied * np.log(sizes / layout.cells)
    ease = np.where(generator.random(len(sizes)) < world.odd, -1.8, ease)
    centre = np.where(truth == 0, ease, -ease) + effect
    subject = np.repeat(np.arange(len(sizes)), sizes)
    score = expit(1.5 * (centre[subject] + generator.normal(0, 1, len(subject))))
    scores = np.stack([score, 1 - score], axis=1)
    return Outcomes(truth[subject], scores.argmax(axis=1), scores, CLASSES, positive_index=0), subject


def true_values(layout: Layout, world: World, studies: int = 1000) -> dict[str, float]:
    """The metrics of all cells of very many studies."""
    generator = np.random.default_rng(99)
    drawn = [study(layout, world, generator)[0] for _ in range(studies)]
    truth, predicted, scores = (
        np.concatenate([getattr(each, field) for each in drawn]) for field in ("truth", "predicted", "scores")
    )
    cells = WeightedOutcomes.unweighted(Outcomes(truth, predicted, scores, CLASSES, positive_index=0))
    return {name: float(metric.compute(cells)[0]) for name, metric in ALL.items()}


def coverage(layout: Layout, world: World, studies: int, replicates: int = 300) -> dict[str, float | None]:
    """The share of studies in which the interval of each metric holds the true value; None where it has no interval."""
    true, generator = true_values(layout, world), np.random.default_rng(7)
    held: dict[str, list[bool]] = {name: [] for name in ALL}
    for seed in range(studies):
        outcomes, subject = study(layout, world, generator)
        units = units_of(subject.astype(object), outcomes)
        bootstrap = Bootstrap(
            unit="subject", units=len(units.class_index), replicates=replicates, seed=seed, level=LEVEL
        )
        samples = BootstrapSamples(units, CLASSES, bootstrap)
        groups = {"scores": metric_group(outcomes, np.ones(len(subject), dtype=bool), ALL)}
        for name, estimate in samples.estimate(groups)["scores"].items():
            if estimate.low is not None and estimate.high is not None:
                held[name].append(estimate.low <= true[name] <= estimate.high)
    return {name: float(np.mean(each)) if each else None for name, each in held.items()}


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="studies for each row of the table")
    studies = parser.parse_args().studies
    start = time.process_time()
    print(f"| subjects | world | {' | '.join(metric.title for metric in ALL.values())} |")
    print("|---|---|" + "---:|" * len(ALL))
    for layout_name, layout in LAYOUTS.items():
        for world_name, world in WORLDS.items():
            shares = coverage(layout, world, studies).values()
            cells = ["none" if share is None else f"{100 * share:.1f}" for share in shares]
            print(f"| {layout_name} | {world_name} | {' | '.join(cells)} |", flush=True)
    print(f"\nPercent of {studies} studies per row; {time.process_time() - start:.0f} s of one core.")


if __name__ == "__main__":
    main()
