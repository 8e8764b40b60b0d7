"""The fine look of a picture in 1,024 bits, so that two cells can be compared where only one of them is at hand.

Each bit is the side of a random plane on which the centred grey values of the thumbnail lie (Charikar 2002): two
sketches differ in a share of bits that is the angle between the pictures over pi, so the cosine of that angle estimates
their correlation to about 0.05. A sketch is no picture, and none can be made of it.

Hash, size and look of every picture, read in threads.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.images import UnreadableImage, in_threads, read_image
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.similarity.perceptual_hash import perceptual_hash
from lymphoscope.files import sha256_of

if TYPE_CHECKING:
    from lymphoscope.data.quality import Examination


SAME_CELL = 0.55
"""Likeness from which a pair that the perceptual hash proposes is one cell. Estimate on the pairs within 48 bits among
346 cells of C-NMC: 0.64 and more for a cell photographed twice, 0.45 and less for strangers."""

_BITS = 1024
_PIXELS = 64 * 64
_BLACK = 4
_AT_ONCE = 1024


def simhashes(thumbnails: Sequence[NDArray[np.uint8] | None]) -> list[str | None]:
    """The sketch of each thumbnail (64, 64), 256 hexadecimal digits; None where there is none."""
    places = [place for place, thumbnail in enumerate(thumbnails) if thumbnail is not None]
    sketches: list[str | None] = [None] * len(thumbnails)
    for start in range(0, len(places), _AT_ONCE):
        chunk = places[start : start + _AT_ONCE]
        bits = _sides(np.stack([np.asarray(thumbnails[place]) for place in chunk]))
        for place, row in zip(chunk, np.packbits(bits, axis=1), strict=True):
            sketches[place] = row.tobytes().hex()
    return sketches


def likeness(one: str, other: str) -> float:
    """The estimated correlation of two cells by their sketches, -1 to 1."""
    bits = np.frombuffer(bytes.fromhex(one), np.uint8) ^ np.frombuffer(bytes.fromhex(other), np.uint8)
    return float(np.cos(np.pi * np.bitwise_count(bits).sum() / _BITS))


def _sides(thumbnails: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N, 64, 64) -> (N, 1024); black, which is no part of a cell, is put at the mean."""
    grey = thumbnails.reshape(len(thumbnails), _PIXELS).astype(np.float32)
    shown = grey > _BLACK
    mean = (grey * shown).sum(axis=1, keepdims=True) / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    sides: NDArray[np.bool_] = np.greater(((grey - mean) * shown) @ _planes(), 0)
    return sides


@cache
def _planes() -> NDArray[np.float32]:
    # Of a hash and not of a generator, whose stream may change with its library: sketches are kept in files.
    stream = hashlib.shake_256(b"lymphoscope sketch").digest(_PIXELS * _BITS // 8)
    signs = np.unpackbits(np.frombuffer(stream, np.uint8)).reshape(_PIXELS, _BITS)
    return signs.astype(np.float32) * 2 - 1


FINGERPRINTS = ("sha256", "width", "height", "phash", "sketch")
"""Columns that say what a picture is: of the file's bytes, its pixels, its coarse and its fine look."""


class Fingerprint(NamedTuple):
    """What a file is: the hash of its bytes, its pixels across and down, its look; None where unreadable."""

    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    thumbnail: NDArray[np.uint8] | None = None


def fingerprint(path: str) -> Fingerprint:
    """The fingerprint of one picture. An unreadable one has none: two empty files are no evidence of one cell."""
    try:
        pixels = read_image(path)
        height, width = pixels.shape[:2]
        return Fingerprint(sha256_of(Path(path)), width, height, *perceptual_hash(pixels))
    except (UnreadableImage, OSError):
        return Fingerprint()


def with_fingerprints(manifest: Manifest) -> Manifest:
    """Fill the columns FINGERPRINTS (`phash` and `sketch` are extra) where they are empty and the file can be read."""
    lacking = manifest.table.reindex(columns=list(FINGERPRINTS)).isna().any(axis=1)
    if not lacking.any():
        return manifest
    seen = in_threads(fingerprint, list(manifest.table.loc[lacking, "path"]), "reading cells")
    return with_marks(manifest, seen, manifest.table.index[lacking])


def with_marks(manifest: Manifest, seen: "Sequence[Fingerprint | Examination]", rows: "pd.Index[Any]") -> Manifest:
    """Fill the columns FINGERPRINTS from what was read of `rows` of the manifest's table."""
    table = manifest.table.copy()
    marks = pd.DataFrame({name: [getattr(one, name) for one in seen] for name in FINGERPRINTS[:-1]}, dtype=object)
    marks["sketch"] = pd.Series(simhashes([one.thumbnail for one in seen]), dtype=object)
    marks.index = rows
    for name in FINGERPRINTS:
        known = table[name].astype(object) if name in table else pd.Series(None, index=table.index, dtype=object)
        table[name] = known.where(known.notna(), marks[name].reindex(table.index))
    return manifest.with_table(table)
