"""Perceptual hashes of 256 bits, which can be compared in all eight orientations without the image.

A bit is the sign of one of the 16 x 16 lowest frequencies of the cosine transform of a grey thumbnail (pHash, with 0 in
place of the median as the threshold). Mirroring an image only changes signs of frequencies and transposing it only
swaps them, so the hash of a turned image follows exactly from the hash.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.similarity.hamming import Hashes

_FREQUENCIES = 16
_FLAT_DEVIATION = 2.0


def perceptual_hash_of(thumbnail: NDArray[np.uint8]) -> str:
    """Hash a square grey thumbnail (S, S) into 64 hexadecimal digits, all 0 for a flat image."""
    from scipy.fft import dctn  # takes 0.1 seconds to import, and prediction does not need it

    # The signs of a flat image are rounding noise, and all flat images would be near each other.
    if thumbnail.std() < _FLAT_DEVIATION:
        return "0" * (_FREQUENCIES**2 // 4)
    signs = dctn(thumbnail.astype(np.float64))[:_FREQUENCIES, :_FREQUENCIES] > 0
    signs[0, 0] = False  # the mean
    return np.packbits(signs).tobytes().hex()


def parse_hashes(hashes: Sequence[str]) -> Hashes:
    """Convert hashes of 64 hexadecimal digits to integers, (N, 4)."""
    joined = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=">u8")
    return joined.astype(np.uint64).reshape(len(hashes), _FREQUENCIES**2 // 64)


def orientations_of(hashes: Hashes) -> Hashes:
    """Return the hashes of the images in all eight orientations, (N, 8, 4)."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8), axis=1)
    signs = bits.reshape(-1, _FREQUENCIES, _FREQUENCIES).astype(np.int8) * 2 - 1
    alternating = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.int8)
    turned = []
    for each in (signs, signs * alternating):
        for _ in range(4):
            turned.append(each)
            # A rotation by 90 degrees is a transposition and then a reversal of the rows.
            each = each.transpose(0, 2, 1) * alternating[:, None]
    positive = np.stack(turned, axis=1) > 0
    positive[:, :, 0, 0] = False
    packed = np.packbits(positive.reshape(len(hashes), 8, _FREQUENCIES**2), axis=2)
    oriented: Hashes = packed.view(">u8").astype(np.uint64)
    oriented[~hashes.any(axis=1)] = 0
    return oriented
