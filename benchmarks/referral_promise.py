"""Whether the referral keeps its promise: simulated studies in worlds where subjects are exchangeable but differ.

Every study draws calibration subjects, fits the limit below which cells are signed off as normal, and knows the share
of a new subject's blasts below it. Prints a table in Markdown; `--json` writes it, too.

    python benchmarks/referral_promise.py --studies 2000
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from lymphoscope.referral.normal_model import normal_model_limit, score_correlation
from lymphoscope.referral.risk_control import control_risk

Floats = NDArray[np.float64]

POOL = 20_000
"""Subjects of a world over which its true rates are averaged."""


@dataclass(frozen=True)
class World:
    """How subjects and cells are drawn. Evidence is a log odds of being a blast."""

    name: str
    subjects: int = 21
    sizes: str = "equal"
    """`equal`, `log-normal`, `C-NMC` (three of 21 subjects have 84 % of the cells), or `tied` to difficulty."""
    odd: float = 0.0
    """Share of subjects whose blasts look like normal cells."""
    heavy_tailed: bool = False
    """Cells and subjects differ by Student's t with 3 degrees of freedom in place of a normal distribution."""

    def draw(self, generator: np.random.Generator, count: int) -> tuple[Floats, NDArray[np.int64]]:
        """Draw the centres of evidence (S,) and the numbers of blasts (S,) of subjects."""
        part = generator.standard_t(3, count) if self.heavy_tailed else generator.standard_normal(count)
        centres = np.where(generator.random(count) < self.odd, -4.0, 4.0) + part
        return centres, np.maximum(1, self._sizes(generator, centres))

    def _sizes(self, generator: np.random.Generator, centres: Floats) -> NDArray[np.int64]:
        count = len(centres)
        if self.sizes == "log-normal":
            return generator.lognormal(3.5, 1.0, count).astype(np.int64)
        if self.sizes == "C-NMC":
            return np.where(generator.random(count) < 3 / 21, generator.integers(60, 110, count), 3)
        if self.sizes == "tied":
            return np.clip(np.exp(3.5 - 0.5 * (centres - 4)), 1, 2000).astype(np.int64)
        return np.full(count, 40)

    def cells(self, generator: np.random.Generator, centres: Floats, sizes: NDArray[np.int64]) -> Floats:
        """Draw the blast scores (N,) of the subjects' cells."""
        count = int(sizes.sum())
        noise = generator.standard_t(3, count) if self.heavy_tailed else generator.standard_normal(count)
        return np.asarray(special.expit(np.repeat(centres, sizes) + 1.5 * noise))

    def losses(self, centres: Floats, limits: Floats) -> Floats:
        """Return the expected share (S, L) of the subjects' blasts with a score below each limit."""
        below = (special.logit(limits) - centres[:, None]) / 1.5
        return np.asarray(stats.t.cdf(below, 3) if self.heavy_tailed else special.ndtr(below))


@dataclass(frozen=True)
class Row:
    """What one way of fitting came to in one world."""

    world: str
    method: str
    subjects: int
    promised: float
    """Mean promised rate over the studies that promise one."""
    made: float
    """Share of studies that promise a rate and sign off cells."""
    mean_rate: float
    """Mean over studies of the share of a new subject's blasts that are signed off."""
    standard_error: float
    broken: float
    """Share of the promises made whose limit signs off more than promised, of an average new subject."""
    signed_off: float
    """Mean share of typical normal cells that are signed off."""
    studies: int
    """Number of studies with a promise."""

    @property
    def kept(self) -> bool:
        """Whether the promise holds, up to three standard errors of the simulation."""
        if self.method == "average":
            return self.mean_rate <= self.promised + 3 * self.standard_error
        return self.broken <= 0.05 + 3 * (0.05 * 0.95 / self.studies) ** 0.5


Fit = Callable[[Floats, NDArray[np.int64]], tuple[float, float | None]]


def fits(rate: float, *, normal_model: bool) -> dict[str, Fit]:
    """Return the ways of fitting a limit by name: scores (N,), subject of each cell (N,) -> limit, promised rate."""

    def controlled(kind: str) -> Fit:
        def fit(scores: Floats, of_cell: NDArray[np.int64]) -> tuple[float, float | None]:
            found = control_risk(scores, of_cell, rate, kind=kind)  # type: ignore[arg-type]
            return found.limit, found.promise.rate

        return fit

    def modelled(scores: Floats, of_cell: NDArray[np.int64]) -> tuple[float, float | None]:
        limit = normal_model_limit(scores, of_cell, score_correlation(scores, of_cell, 0.95), rate, 0.95)
        return (-np.inf, None) if limit is None else (limit, rate)

    ways = {"average": controlled("average"), "confidence": controlled("confidence")}
    return ways | {"normal_model": modelled} if normal_model else ways


def simulate(world: World, rate: float, studies: int, *, normal_model: bool = False, seed: int = 0) -> list[Row]:
    """Return one row per way of fitting: `studies` studies of the world, with a stated miss rate."""
    generator = np.random.default_rng(seed)
    pool, _ = world.draw(generator, POOL)
    ways = fits(rate, normal_model=normal_model)
    found: dict[str, list[tuple[float, float | None]]] = {name: [] for name in ways}
    for _ in range(studies):
        centres, sizes = world.draw(generator, world.subjects)
        scores = world.cells(generator, centres, sizes)
        of_cell = np.repeat(np.arange(world.subjects), sizes)
        for name, fit in ways.items():
            limit, promised = fit(scores, of_cell)
            found[name].append((float(np.clip(limit, 1e-12, 0.5)), promised))
    return [_row(world, name, results, pool) for name, results in found.items()]


def _row(world: World, method: str, results: Sequence[tuple[float, float | None]], pool: Floats) -> Row:
    limits = np.array([limit for limit, _ in results])
    promised = np.array([np.nan if rate is None else rate for _, rate in results])
    rates = _true_rates(world, pool, limits)
    made = ~np.isnan(promised)
    broken = rates[made] > promised[made] + 1e-9
    normal = replace(world, odd=0.0)
    return Row(
        world=world.name,
        method=method,
        subjects=world.subjects,
        promised=float(promised[made].mean()) if made.any() else float("nan"),
        made=float(made.mean()),
        mean_rate=float(np.where(made, rates, 0.0).mean()),
        standard_error=float(np.where(made, rates, 0.0).std() / len(rates) ** 0.5),
        broken=float(broken.mean()) if made.any() else 0.0,
        signed_off=float(np.where(made, normal.losses(np.array([-4.0]), limits)[0], 0.0).mean()),
        studies=int(made.sum()),
    )


def _true_rates(world: World, pool: Floats, limits: Floats) -> Floats:
    """Return the expected share (L,) of a new subject's blasts below each limit, interpolated between 400 of many."""
    chosen = np.quantile(limits, np.linspace(0, 1, 400)) if len(limits) > 400 else limits
    grid = np.unique(special.logit(np.clip(chosen, 1e-12, 0.5)))
    at_grid = world.losses(pool, special.expit(grid)).mean(axis=0)
    return np.asarray(np.interp(special.logit(limits), grid, at_grid))


def worlds() -> Iterator[World]:
    """The worlds of the table: sizes, tails and odd subjects, each with few and with many subjects."""
    for subjects in (5, 21, 47, 99, 299):
        suffix = f"{subjects} subjects"
        yield World(f"equal sizes, {suffix}", subjects)
    for sizes in ("log-normal", "C-NMC", "tied"):
        yield World(f"{sizes} sizes, 47 subjects", 47, sizes)
    yield World("heavy tails, 47 subjects", 47, "log-normal", heavy_tailed=True)
    for odd in (0.01, 0.03, 0.05):
        for subjects in (47, 99, 299):
            yield World(f"{100 * odd:g} % odd, log-normal sizes, {subjects} subjects", subjects, "log-normal", odd)
    yield World("5 % odd, heavy tails, C-NMC sizes, 99 subjects", 99, "C-NMC", 0.05, heavy_tailed=True)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = "| world | method | promised | true mean rate | promises broken | normal cells signed off | kept |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in rows:
        made = "" if row.made == 1 else f" (in {row.made:.0%} of studies)"
        broken = "" if row.method == "average" else f"{row.broken:.1%}"
        rates = f"{row.promised:.2%}{made} | {row.mean_rate:.2%} | {broken} | {row.signed_off:.0%}"
        lines.append(f"| {row.world} | {row.method} | {rates} | {'yes' if row.kept else '**no**'} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies per world")
    parser.add_argument("--rate", type=float, default=0.01, help="stated miss rate")
    parser.add_argument(
        "--normal-model", type=int, default=0, help="studies for the model-based band, too, in worlds of 99 subjects"
    )
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    options = parser.parse_args()
    rows = [row for world in worlds() for row in simulate(world, options.rate, options.studies)]
    if options.normal_model:
        some = [world for world in worlds() if world.subjects == 99]
        modelled = (simulate(world, options.rate, options.normal_model, normal_model=True) for world in some)
        rows += [row for found in modelled for row in found if row.method == "normal_model"]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
