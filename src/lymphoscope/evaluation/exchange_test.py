"""A test of two predictions of the same cells, for every metric: exchange the two models on whole subjects.

If two models are equally good, either may be the one that predicted a subject, however much its cells resemble each
other. The differences after exchanging the models on random subjects are therefore as likely as the one observed, and
p is the share of those that are larger, and half of those that are equal (Fisher's randomisation test, `mid_p`).
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from lymphoscope.evaluation.bootstrap import MetricGroup
from lymphoscope.evaluation.outcomes import Floats, Indices, Outcomes, Weights
from lymphoscope.evaluation.subject_tests import mid_p

# Bounds the memory of a chunk of exchanges: exchanges x units, at 8 bytes each.
_NUMBERS_AT_ONCE = 5_000_000


def exchange_p(
    one: Outcomes,
    other: Outcomes,
    unit_of_cell: Indices,
    group_of: Callable[[Outcomes], MetricGroup],
    *,
    exchanges: int,
    seed: int = 0,
) -> dict[str, float | None]:
    """Two-sided p of each number of `group_of` being the same for both predictions of N cells.

    None if the number is undefined, or if so few units differ that no difference has a p below 0.05. `unit_of_cell`
    (N,) numbers the units from 0. All exchanges are tried if there are at most `exchanges`, else so many random ones.
    """
    both = Outcomes(
        np.concatenate([one.truth, other.truth]),
        np.concatenate([one.predicted, other.predicted]),
        np.concatenate([one.scores, other.scores]),
        one.classes,
        one.positive_index,
    )
    units = int(unit_of_cell.max()) + 1
    of_cell, group = np.concatenate([unit_of_cell, unit_of_cell + units]), group_of(both)
    parts: list[Mapping[str, Floats]] = []
    for kept in _exchanges(units, exchanges, seed):  # (R, U): 1 where each model keeps its own predictions
        # Both models in one computation, so that what it takes from the cells is taken once.
        weights = np.concatenate([np.hstack([kept, 1 - kept]), np.hstack([1 - kept, kept])])
        values = group.compute(Weights(weights, of_cell))
        parts.append({name: values[name][: len(kept)] - values[name][len(kept) :] for name in group.specs})
    return {name: _p(np.concatenate([part[name] for part in parts])) for name in group.specs}


def _p(differences: Floats) -> float | None:
    """The first of `differences` (R,) is the one observed; an undefined one counts as large."""
    return None if np.isnan(differences[0]) else mid_p(differences)


def _exchanges(units: int, exchanges: int, seed: int) -> Iterator[Floats]:
    """Chunks (r, U); the first row exchanges nothing. Exchanging all units only changes the sign."""
    if units <= 1 or 2 ** (units - 1) <= exchanges:
        numbers = np.arange(2 ** max(0, units - 1))
        yield 1 - (numbers[:, None] >> np.arange(units) & 1).astype(np.float64)
        return
    generator = np.random.default_rng(seed)
    at_once = max(2, _NUMBERS_AT_ONCE // (4 * units))
    for done in range(0, exchanges + 1, at_once):
        rows = generator.integers(0, 2, (min(at_once, exchanges + 1 - done), units)).astype(np.float64)
        if done == 0:
            rows[0] = 1
        yield rows
