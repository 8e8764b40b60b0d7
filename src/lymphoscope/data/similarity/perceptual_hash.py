"""Perceptual hashes of 256 bits and thumbnails of 64 x 64: fast comparison of every image with every other.

Both are needed. Cells on black are all round and dark, so a coarse hash takes different cells for one: with 64 bits,
different cells of C-NMC are as close as a cell and its copy shifted by one pixel. The hash therefore has 256 bits, and
a cell on black is first moved to the centre.

Measured on 346 cells of C-NMC and 1,120 of the Barcelona set: copies saved as JPEG, brightened, rescaled or shifted
(on black only) differ in at most 8 bits; one cell photographed twice in at most 34; different cells in at least 38 (on
black) and 74 (with surroundings). Among many thousand cells some different ones are closer, so a pair that the hash
proposes is confirmed by the correlation of the grey values where both show a cell: at least 0.71 for one cell
photographed twice, at most 0.58 for different cells. Rotated and mirrored copies are not found.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data.images import border_of

NEAR_DISTANCE = 36
"""Bits of 256 within which two images may show one cell."""
NEAR_CORRELATION = 0.65
"""Correlation of thumbnails from which such a pair does."""
COPY_DISTANCE = 8
"""Bits of 256 within which two files may be copies of one image."""
COPY_CORRELATION = 0.99
"""Correlation of thumbnails from which such a pair is."""

_SIDE = 64
_ROWS_PER_BLOCK = 256
_FLAT_DEVIATION = 2.0
_BLACK_LEVEL = 4
_CELL_LEVEL = 12
_MAX_BRIGHT_BORDER = 0.01
_MIN_COMMON_PIXELS = 32


class PerceptualHash(NamedTuple):
    """A perceptual hash, 256 bits as 64 hexadecimal digits (all 0 for a flat image), and the grey thumbnail."""

    phash: str
    thumbnail: NDArray[np.uint8]  # (64, 64)


def hash_image(pixels: NDArray[np.uint8]) -> PerceptualHash:
    """Hash an image, (H, W, 3) uint8: the low frequencies of its cosine transform (pHash), and its thumbnail."""
    import imagehash  # of the extra `audit`

    grey = _centred_on_black(Image.fromarray(pixels).convert("L"))
    thumbnail = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    # The hash of a flat image is rounding noise, and all flat images would be near each other.
    flat = thumbnail.std() < _FLAT_DEVIATION
    return PerceptualHash("0" * 64 if flat else str(imagehash.phash(grey, hash_size=16)), thumbnail)


def near_pairs(phashes: Sequence[str | None], distance: int) -> Iterator[tuple[int, int]]:
    """Yield the indices i < j of hashes within `distance` bits; None and flat images are near nothing.

    Blocks of XOR and population count over four 64-bit integers: 15,000 cells take seconds, memory grows with N.
    """
    indices, integers = _as_integers(phashes)
    for start in range(0, len(indices), _ROWS_PER_BLOCK):
        bits = _differing_bits(integers[start : start + _ROWS_PER_BLOCK], integers[start:])
        for i, j in np.argwhere(np.triu(bits <= distance, 1)):
            yield int(indices[start + i]), int(indices[start + j])


def near_pairs_between(
    phashes: Sequence[str | None], others: Sequence[str | None], distance: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (index in `phashes`, index in `others`, differing bits) of hashes within `distance` bits."""
    indices, integers = _as_integers(phashes)
    other_indices, other_integers = _as_integers(others)
    for start in range(0, len(indices), _ROWS_PER_BLOCK):
        bits = _differing_bits(integers[start : start + _ROWS_PER_BLOCK], other_integers)
        for i, j in np.argwhere(bits <= distance):
            yield int(indices[start + i]), int(other_indices[j]), int(bits[i, j])


def correlation(thumbnail: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two (64, 64) thumbnails where neither is black; 0 if they have too few such pixels in common."""
    both = (thumbnail > _BLACK_LEVEL) & (other > _BLACK_LEVEL)
    if both.sum() < _MIN_COMMON_PIXELS:
        return 0.0
    a, b = (_minus_mean(grey[both]) for grey in (thumbnail, other))
    return float(a @ b) / max(math.sqrt(float(a @ a) * float(b @ b)), 1e-9)


def _centred_on_black(grey: Image.Image) -> Image.Image:
    """Move the cell's centre of mass to the centre; an image whose border is not black is left as it is."""
    values = np.asarray(grey)
    mass = np.where(values > _CELL_LEVEL, values, 0)
    if (border_of(mass) > 0).mean() > _MAX_BRIGHT_BORDER or not mass.any():
        return grey
    right, down = _offset_from_centre(mass.sum(axis=0)), _offset_from_centre(mass.sum(axis=1))
    # By fractions of a pixel: after rounding, two copies could be one pixel apart.
    matrix = (1, 0, right, 0, 1, down)
    return grey.transform(grey.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _offset_from_centre(mass: NDArray[Any]) -> float:
    return float(mass @ np.arange(len(mass)) / mass.sum()) - (len(mass) - 1) / 2


def _as_integers(phashes: Sequence[str | None]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Indices (N,) of the hashes that are neither None nor flat, and each as four integers (N, 4)."""
    indices = np.array([i for i, phash in enumerate(phashes) if phash and phash.strip("0")], dtype=np.int64)
    integers = [[int(str(phashes[i])[at : at + 16], 16) for at in range(0, 64, 16)] for i in indices]
    return indices, np.array(integers, dtype=np.uint64).reshape(-1, 4)


def _differing_bits(integers: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Number of differing bits (A, B) between hashes (A, 4) and (B, 4)."""
    bits = np.zeros((len(integers), len(others)), dtype=np.uint16)
    for column in range(4):
        bits += np.bitwise_count(integers[:, None, column] ^ others[None, :, column])
    return bits


def _minus_mean(values: NDArray[Any]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = values.astype(np.float64) - values.mean()
    return centred
