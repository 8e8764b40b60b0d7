"""The eight orientations of a square image: four rotations, and the same after mirroring."""

from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

ORIENTATIONS = (
    "as it is",
    "rotated by 90 degrees",
    "rotated by 180 degrees",
    "rotated by 270 degrees",
    "mirrored",
    "mirrored and rotated by 90 degrees",
    "mirrored and rotated by 180 degrees",
    "mirrored and rotated by 270 degrees",
)


def oriented(images: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return square images (N, S, S) in all orientations, (N, 8, S, S), in the order of ORIENTATIONS."""
    mirrored = images[:, :, ::-1]
    turned = [np.rot90(each, turns, axes=(1, 2)) for each in (images, mirrored) for turns in range(4)]
    return np.stack(turned, axis=1)


@cache
def composition() -> NDArray[np.int64]:
    """Return the table (8, 8) of the group: orientation `first` and then `second` is `composition()[first, second]`."""
    image = np.arange(9).reshape(1, 3, 3)
    all_images = oriented(image)[0]
    index = {each.tobytes(): number for number, each in enumerate(all_images)}
    table = [[index[np.ascontiguousarray(each).tobytes()] for each in oriented(first[None])[0]] for first in all_images]
    return np.array(table)
