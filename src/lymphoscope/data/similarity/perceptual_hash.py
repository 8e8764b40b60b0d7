"""How a picture looks, small enough to compare every cell with every other: near duplicates without an n^2 of Python.

Two looks, because one is not enough. Masked cells on black are all round and dark, so that a coarse hash calls
strangers alike: with 64 bits, C-NMC's strangers lie as near as a cell and its copy shifted by a pixel. So the hash
has 256 bits, and a cell on black is first moved to the centre. Estimate on 346 cells of C-NMC and 1,120 of the
Barcelona set: copies through JPEG, brightness, scale or a shift lie within 8 bits (shifts only on black); the same
cell photographed twice within 34; strangers from 38 (on black) and from 74 (with surroundings). Among many thousand
cells some strangers come nearer, so a pair that the hash proposes is confirmed by the correlation of grey values
where both show a cell: 0.71 and more for a cell photographed twice, 0.58 and less for strangers. Rotated or
mirrored copies are not found.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NEAR_DISTANCE = 36
"""Bits of 256 within which two cells are proposed as one."""
NEAR_CORRELATION = 0.65
"""Correlation from which a proposed pair is one cell."""

_SIDE = 64
_ROWS_AT_A_TIME = 256
_FLAT = 2.0
_BLACK = 4
_CELL = 12
_MOST_OF_FRAME = 0.01
_FEWEST_COMMON_PIXELS = 32


class PerceptualHash(NamedTuple):
    """The perceptual hash, 256 bits as 64 hexadecimal digits (all 0 for a flat picture), and the small grey picture."""

    phash: str
    thumbnail: NDArray[np.uint8]  # (64, 64)


def perceptual_hash(pixels: NDArray[np.uint8]) -> PerceptualHash:
    """The look of a picture, (H, W, 3) uint8."""
    import imagehash  # of the extra `audit`

    grey = _centred_on_black(Image.fromarray(pixels).convert("L"))
    thumbnail = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    # The hash of a flat picture is rounding noise, and all flat pictures would be near each other.
    return PerceptualHash("0" * 64 if thumbnail.std() < _FLAT else str(imagehash.phash(grey, hash_size=16)), thumbnail)


def grey_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB -> (H, W) luma."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def frame_of(values: NDArray[Any]) -> NDArray[Any]:
    """The outermost row and column on each side of (H, W), one after the other."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def near_duplicate_pairs(phashes: list[str | None], distance: int) -> Iterator[tuple[int, int]]:
    """Yield places i < j of hashes within `distance` bits; None and flat ones are near nothing.

    Blocks of XOR and popcount over 4 words of 64 bits: 15,000 cells take seconds, memory grows with N.
    """
    known, words = _hashes(phashes)
    for start in range(0, len(known), _ROWS_AT_A_TIME):
        bits = _bits(words[start : start + _ROWS_AT_A_TIME], words[start:])
        for i, j in np.argwhere(np.triu(bits <= distance, 1)):
            yield int(known[start + i]), int(known[start + j])


def near_duplicate_pairs_between(
    ones: list[str | None], others: list[str | None], distance: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (place in `ones`, place in `others`, bits) of hashes within `distance` bits; see `near_duplicate_pairs`."""
    known, words = _hashes(ones)
    known_others, words_of_others = _hashes(others)
    for start in range(0, len(known), _ROWS_AT_A_TIME):
        bits = _bits(words[start : start + _ROWS_AT_A_TIME], words_of_others)
        for i, j in np.argwhere(bits <= distance):
            yield int(known[start + i]), int(known_others[j]), int(bits[i, j])


def correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two (64, 64) thumbnails where neither is black; 0 where that is hardly anywhere."""
    both = (one > _BLACK) & (other > _BLACK)
    if both.sum() < _FEWEST_COMMON_PIXELS:
        return 0.0
    a, b = (_centred(grey[both]) for grey in (one, other))
    return float(a @ b) / max(math.sqrt(float(a @ a) * float(b @ b)), 1e-9)


def _centred_on_black(grey: Image.Image) -> Image.Image:
    """The cell's centre of mass moved to the middle; a picture whose frame is not black stays as it is."""
    values = np.asarray(grey)
    mass = np.where(values > _CELL, values, 0)
    if (frame_of(mass) > 0).mean() > _MOST_OF_FRAME or not mass.any():
        return grey
    right, down = _off_the_middle(mass.sum(axis=0)), _off_the_middle(mass.sum(axis=1))
    # By parts of a pixel: rounded, two copies could be moved a pixel apart.
    moved = (1, 0, right, 0, 1, down)
    return grey.transform(grey.size, Image.Transform.AFFINE, moved, Image.Resampling.BILINEAR)


def _off_the_middle(mass: NDArray[Any]) -> float:
    return float(mass @ np.arange(len(mass)) / mass.sum()) - (len(mass) - 1) / 2


def _hashes(phashes: list[str | None]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Places (N,) of the hashes that say something, and their words (N, 4)."""
    known = np.array([i for i, phash in enumerate(phashes) if phash and phash.strip("0")], dtype=np.int64)
    return known, np.array([_words(str(phashes[i])) for i in known], dtype=np.uint64).reshape(-1, 4)


def _bits(ones: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Bits (A, B) in which words (A, 4) and (B, 4) differ."""
    bits = np.zeros((len(ones), len(others)), dtype=np.uint16)
    for word in range(4):
        bits += np.bitwise_count(ones[:, None, word] ^ others[None, :, word])
    return bits


def _words(phash: str) -> list[int]:
    return [int(phash[place : place + 16], 16) for place in range(0, 64, 16)]


def _centred(values: NDArray[Any]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = values.astype(np.float64) - values.mean()
    return centred
