"""Orientations of a batch over which predictions are averaged, in NumPy. Torch twin: `method/orientations.py`."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import VIEWS


def oriented_views(pixels: NDArray[np.uint8], views: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the first `views` orientations of square cells (B, S, S, 3), each (B, S, S, 3), the cells first.

    2: as they are and mirrored left to right. 4: also upside down and both. 8: the same transposed.
    Raises LymphoscopeError if `views` is not 1, 2, 4 or 8.
    """
    check_views(views)
    for view in range(views):
        turned = pixels.transpose(0, 2, 1, 3) if view & 4 else pixels
        axes = tuple(axis for bit, axis in ((1, 2), (2, 1)) if view & bit)
        yield np.ascontiguousarray(np.flip(turned, axes)) if view else pixels


def check_views(views: int) -> None:
    """Raise LymphoscopeError if predictions cannot be averaged over so many orientations."""
    if views not in VIEWS:
        raise LymphoscopeError(f"{views} views: use {', '.join(map(str, VIEWS))}")
