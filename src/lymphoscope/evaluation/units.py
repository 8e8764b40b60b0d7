"""What a bootstrap draws: whole subjects, or linked groups of them, in strata by the classes of their cells.

Cells of one subject resemble each other, so it is subjects that are drawn again, each with all of its cells; cells
only where no subjects are known. Most subjects have cells of one class. Each class then is a stratum that keeps its
number of units, so that no replicate lacks a class. Units with cells of several classes, as a patient with normal cells
or two linked subjects of different classes, are a stratum of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.outcomes import Floats, Indices

# Bounds the memory of a chunk of replicates: replicates x units, at 8 bytes each.
_NUMBERS_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class Units:
    """What is drawn: the unit of each of N cells (N,), and the class index of the cell's label (N,), below `classes`.

    Every unit has a cell.
    """

    of_cell: Indices
    class_of_cell: Indices
    classes: int

    @property
    def number(self) -> int:
        """U, the number of units."""
        return len(self.stratum)

    @cached_property
    def stratum(self) -> Indices:
        """(U,) the stratum of each unit."""
        return strata_of(self.weight_by_class(np.ones(len(self.of_cell))))

    def weight_by_class(self, weights: Floats) -> Floats:
        """(U, K) the weight of the cells of each class in each unit, from the weights of all cells (N,)."""
        units = int(self.of_cell.max(initial=-1)) + 1
        codes = self.of_cell * self.classes + self.class_of_cell
        sums: Floats = np.bincount(codes, weights, minlength=units * self.classes).astype(np.float64)
        return sums.reshape(units, self.classes)


def units_of(names: NDArray[Any], labels: Indices, classes: int) -> Units:
    """Return the units of N cells with these unit names (N,) and class indices (N,) of `classes`.

    They do not depend on the order of the cells.
    """
    return Units(np.unique(names.astype(str), return_inverse=True)[1], labels, classes)


def strata_of(weights: Floats) -> Indices:
    """(U,) the strata of units with these weights of cells by class (U, K), of which each unit has some.

    Class k is the stratum k of the units with cells of this class only, and K that of units with cells of several.
    A single unit has no spread. So a class with one unit joins those of several classes; and a single unit of several
    classes joins that of its classes of which it has most, among those with other units, or else the largest stratum.
    """
    number = weights.shape[1]
    stratum: Indices = np.where((weights > 0).sum(axis=1) > 1, number, weights.argmax(axis=1))
    counts = np.bincount(stratum, minlength=number + 1)
    if counts[number] == 1:
        unit = int(np.flatnonzero(stratum == number)[0])
        possible = np.where(counts[:number] > 0, weights[unit], 0)
        stratum[unit] = (possible if possible.any() else counts[:number]).argmax()
    elif counts[number]:
        stratum[counts[stratum] == 1] = number
    return stratum


def replicate_weights(stratum: Indices, replicates: int, seed: int) -> Iterator[Floats]:
    """Chunks (r, U) of the weight of each unit, `replicates` rows in all; a `stratum` (U,) keeps its number of units.

    Of n units n - 1 are drawn with replacement, with weight n / (n - 1) each; a stratum of one unit has weight 1.
    """
    strata = [np.flatnonzero(stratum == index) for index in np.unique(stratum)]
    # One generator per stratum, so that the draws are the same whatever the size of a chunk.
    generators = np.random.default_rng(seed).spawn(len(strata))
    for rows in _chunks(replicates, len(stratum)):
        drawn = np.ones((len(rows), len(stratum)))
        for members, generator in zip(strata, generators, strict=True):
            number = len(members)
            if number > 1:
                times = generator.multinomial(number - 1, np.full(number, 1 / number), len(rows))
                drawn[:, members] = times * (number / (number - 1))
        yield drawn


def leave_one_out_weights(stratum: Indices, left_out: Indices) -> Iterator[Floats]:
    """Chunks (r, U), one row per unit of `left_out` (J,): its weight is 0, that of its stratum's others n / (n - 1)."""
    number = np.bincount(stratum)
    for rows in _chunks(len(left_out), len(stratum)):
        absent = left_out[rows]
        index = stratum[absent]
        same = stratum == index[:, None]  # (r, U)
        weights = np.where(same, (number[index] / np.maximum(number[index] - 1, 1))[:, None], 1.0)
        weights[np.arange(len(absent)), absent] = 0
        yield weights


def _chunks(rows: int, units: int) -> Iterator[range]:
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, units))
    for done in range(0, rows, at_once):
        yield range(done, min(done + at_once, rows))
