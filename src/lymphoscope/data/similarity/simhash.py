"""Simhashes: 1,024 bits that estimate the correlation of two images, in all eight orientations, without the images.

Each bit says on which side of a random plane the values of an image lie (Charikar 2002). The share of bits in which two
simhashes differ is the angle between the images over pi, so its cosine estimates their correlation, to about 0.05.
128 random planes are used in the eight orientations each, so turning an image only permutes its bits. An image cannot
be recovered from its simhash.
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.similarity.orientations import composition, oriented

Simhashes = NDArray[np.uint32]
"""(N, 8, 4): 128 bits in each of eight orientations."""

SIDE = 64
_PLANES = 128
_IMAGES_PER_BLOCK = 256


def simhashes_of(images: NDArray[np.float32]) -> list[str]:
    """Hash images (N, 64, 64) of mean 0 into 256 hexadecimal digits each."""
    hashes = []
    for start in range(0, len(images), _IMAGES_PER_BLOCK):
        turned = oriented(images[start : start + _IMAGES_PER_BLOCK]).reshape(-1, 8, SIDE * SIDE)
        bits = np.packbits(turned @ _planes() > 0, axis=2)  # (N, 8, 16)
        hashes += [row.tobytes().hex() for row in bits]
    return hashes


def parse_simhashes(hashes: list[str]) -> Simhashes:
    """Convert simhashes of 256 hexadecimal digits to integers, (N, 8, 4)."""
    joined = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=">u4")
    return joined.astype(np.uint32).reshape(len(hashes), 8, _PLANES // 32)


def simhash_orientations(hashes: Simhashes) -> Simhashes:
    """Return the simhashes of the images in all eight orientations, (N, 8, 8, 4)."""
    return hashes[:, composition()]


def estimated_correlation(hashes: Simhashes, others: Simhashes) -> NDArray[np.float64]:
    """Estimate correlations (N,), -1 to 1, of images from their simhashes (N, 8, 4)."""
    axes = tuple(range(1, hashes.ndim))
    bits = np.bitwise_count(hashes ^ others).sum(axis=axes, dtype=np.int64)
    total = 8 * hashes.dtype.itemsize * int(np.prod(hashes.shape[1:]))
    correlations: NDArray[np.float64] = np.cos(np.pi * bits / total)
    return correlations


@cache
def _planes() -> NDArray[np.float32]:
    """The random planes, (4096, 128), from a hash and not from a generator, as the latter may change by version."""
    stream = hashlib.shake_256(b"lymphoscope simhash 2").digest(SIDE * SIDE * _PLANES // 8)
    signs = np.unpackbits(np.frombuffer(stream, np.uint8)).reshape(SIDE * SIDE, _PLANES)
    return signs.astype(np.float32) * 2 - 1
