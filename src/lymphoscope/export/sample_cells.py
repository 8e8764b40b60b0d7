"""Cells for an export: they calibrate int8, are compared with torch, and show what the training cells look like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell, load_cell
from lymphoscope.model_file import Preprocessing


@dataclass(frozen=True)
class SampleCells:
    """N fitted cells for calibration or comparison."""

    pixels: NDArray[np.uint8]
    """(N, S, S, 3) RGB."""
    source: str
    """A phrase that says where they are from."""
    labels: tuple[str | None, ...] = ()
    """N class names, None where unknown; empty where all are."""
    subjects: tuple[str | None, ...] = ()
    """N subjects, None where unknown; empty where all are."""

    def evenly_spaced(self, most: int) -> "SampleCells":
        """Return at most `most` of the cells, evenly spaced."""
        count = len(self.pixels)
        return self if count <= most else self._chosen(np.linspace(0, count - 1, most).astype(int).tolist())

    def labelled(self) -> "SampleCells":
        """Return the cells that have labels."""
        known = [index for index, label in enumerate(self.labels) if label is not None]
        return self if len(known) == len(self.pixels) else self._chosen(known)

    def _chosen(self, indices: list[int]) -> "SampleCells":
        return SampleCells(
            self.pixels[indices],
            f"{len(indices)} of {self.source}",
            tuple(self.labels[index] for index in indices) if self.labels else (),
            tuple(self.subjects[index] for index in indices) if self.subjects else (),
        )


def read_sample(cells: Sequence[Cell], name: str, preprocessing: Preprocessing, most: int) -> SampleCells:
    """Read at most `most` of the cells of a source `name`, evenly spaced, so that every folder contributes some.

    Raises LymphoscopeError if none can be read.
    """
    chosen = [cells[index] for index in np.linspace(0, len(cells) - 1, min(most, len(cells))).astype(int)]
    images = [load_cell(cell, preprocessing.preparation()).pixels for cell in chosen]
    readable = [(cell, image) for cell, image in zip(chosen, images, strict=True) if image is not None]
    if not readable:
        raise LymphoscopeError(f"{name}: none of the images can be read")
    return SampleCells(
        np.stack([image for _, image in readable]),
        f"{len(readable)} cells of {name}",
        tuple(cell.label for cell, _ in readable),
        tuple(cell.subject for cell, _ in readable),
    )


def synthetic_cells(size: int, count: int = 64) -> SampleCells:
    """Make cells to compare on when none are given: a disc of any colour, anywhere, on noise."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 90, (count, size, size, 3))
    rows, columns = np.mgrid[:size, :size]
    for cell in pixels:
        top, left = generator.integers(size // 4, 3 * size // 4, 2)
        cell[(rows - top) ** 2 + (columns - left) ** 2 < (size / 5) ** 2] += generator.integers(60, 160, 3)
    return SampleCells(pixels.astype(np.uint8), f"{count} synthetic cells")
