"""A part of the cells, drawn so that it resembles the whole."""

from collections.abc import Sequence

import numpy as np

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.inputs import Cell


def sample_indices(cells: Sequence[Cell], count: int | None, seed: int) -> list[int]:
    """The places of `count` drawn cells, or of all without a count, in their order; the same for a seed.

    Classes, and subjects within a class, keep their shares: a systematic sample of the cells ordered by class, subject
    and chance. Raises LymphoscopeError for a count below 1 and where there are no cells.
    """
    if not cells:
        raise LymphoscopeError("there are no cells to measure on: the manifest has no labelled rows")
    if count is not None and count < 1:
        raise LymphoscopeError(f"{count} cells to draw: name at least one")
    if count is None or count >= len(cells):
        return list(range(len(cells)))
    generator = np.random.default_rng(seed)
    chance = generator.random(len(cells))
    order = sorted(range(len(cells)), key=lambda i: (cells[i].label or "", cells[i].subject or "", chance[i]))
    places = np.floor((np.arange(count) + generator.random()) * len(cells) / count).astype(int)
    return sorted(order[place] for place in places)


def sampling_note(drawn: int, whole: int, unreadable: int, seed: int) -> str | None:
    """What must be said of a draw: that it is one, and how many of its cells could not be read."""
    said = [f"{drawn:,} of {whole:,} cells, drawn in proportion to class and subject (seed {seed})"] * (drawn < whole)
    said += [f"{unreadable:,} of them could not be read and were left out"] * (unreadable > 0)
    return "; ".join(said) or None
