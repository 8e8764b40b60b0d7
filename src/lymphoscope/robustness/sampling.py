"""A sample of cells that represents the whole set."""

from collections.abc import Sequence

import numpy as np

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell


def sample_indices(cells: Sequence[Cell], count: int | None, seed: int) -> list[int]:
    """The sorted indices of `count` sampled cells, or of all if it is None; the same for a seed.

    Classes, and subjects within a class, keep their shares: a systematic sample of the cells ordered by class, subject
    and chance. Raises LymphoscopeError for a count below 1 and for no cells.
    """
    if not cells:
        raise LymphoscopeError("there are no cells to measure on: the manifest has no labelled rows")
    if count is not None and count < 1:
        raise LymphoscopeError(f"{count} cells to sample: use at least 1")
    if count is None or count >= len(cells):
        return list(range(len(cells)))
    generator = np.random.default_rng(seed)
    chance = generator.random(len(cells))
    order = sorted(range(len(cells)), key=lambda i: (cells[i].label or "", cells[i].subject or "", chance[i]))
    positions = np.floor((np.arange(count) + generator.random()) * len(cells) / count).astype(int)
    return sorted(order[position] for position in positions)


def sampling_note(sampled: int, total: int, unreadable: int, seed: int) -> str | None:
    """What to say about a sample: that it is one, and how many of its cells could not be read; None if nothing."""
    parts = [f"{sampled:,} of {total:,} cells, sampled in proportion to class and subject (seed {seed})"] * (
        sampled < total
    )
    parts += [f"{unreadable:,} of them could not be read and were left out"] * (unreadable > 0)
    return "; ".join(parts) or None
