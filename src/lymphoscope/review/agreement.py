"""Agreement of two readers: Cohen's kappa with its interval, and agreement by class."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_Z = 1.959963984540054


@dataclass(frozen=True)
class ClassAgreement:
    """Cells that both, the first, or the second reader gave a class, and the positive agreement of both."""

    name: str
    both: int
    first: int
    second: int
    agreement: float
    """2 both / (first + second): agreement among the labels of this class (Cicchetti and Feinstein 1990)."""


@dataclass(frozen=True)
class Agreement:
    """How two readers agree on cells to which both gave a label; None where it is not defined."""

    cells: int
    agreement: float | None
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    classes: tuple[ClassAgreement, ...]


def measure_agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Return the agreement of pairs of labels: (first reader's, second reader's) per cell.

    The interval of kappa is the one of large samples (Fleiss, Cohen and Everitt 1969, Psychol Bull 72, 323-327).
    Kappa is None if both readers gave all cells one and the same label.
    """
    names = sorted({name for pair in pairs for name in pair})
    if not pairs:
        return Agreement(0, None, None, None, None, ())
    table = np.zeros((len(names), len(names)))
    place = {name: index for index, name in enumerate(names)}
    for (first, second), count in Counter(pairs).items():
        table[place[first], place[second]] = count
    kappa, error = _kappa(table / len(pairs), len(pairs))
    low, high = (None, None) if kappa is None else (max(-1.0, kappa - _Z * error), min(1.0, kappa + _Z * error))
    classes = tuple(_by_class(name, table, place[name]) for name in names)
    return Agreement(len(pairs), float(np.trace(table) / len(pairs)), kappa, low, high, classes)


def _kappa(shares: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", count: int) -> tuple[float | None, float]:
    """Kappa and its standard error, from a table of shares (K, K)."""
    rows, columns, diagonal = shares.sum(axis=1), shares.sum(axis=0), np.diag(shares)
    observed, expected = float(diagonal.sum()), float(rows @ columns)
    if expected >= 1:
        return None, 0.0
    kappa = (observed - expected) / (1 - expected)
    sums = rows[None, :] + columns[:, None]  # of element i, j: row sum of j and column sum of i
    on = (diagonal * (1 - (rows + columns) * (1 - kappa)) ** 2).sum()
    off = (1 - kappa) ** 2 * ((shares * sums**2).sum() - (diagonal * np.diag(sums) ** 2).sum())
    variance = (on + off - (kappa - expected * (1 - kappa)) ** 2) / (count * (1 - expected) ** 2)
    return kappa, float(np.sqrt(max(0.0, variance)))


def _by_class(name: str, table: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", index: int) -> ClassAgreement:
    both, first, second = table[index, index], table[index].sum(), table[:, index].sum()
    return ClassAgreement(name, int(both), int(first), int(second), float(2 * both / (first + second)))
