"""Hash, size and look of every picture, read in threads."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.looks import look_of
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.sketches import sketches_of
from lymphoscope.data.threads import in_threads
from lymphoscope.files import sha256_of

if TYPE_CHECKING:
    from lymphoscope.data.examine import Examination

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
        return Fingerprint(sha256_of(Path(path)), width, height, *look_of(pixels))
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
    marks["sketch"] = pd.Series(sketches_of([one.thumbnail for one in seen]), dtype=object)
    marks.index = rows
    for name in FINGERPRINTS:
        known = table[name].astype(object) if name in table else pd.Series(None, index=table.index, dtype=object)
        table[name] = known.where(known.notna(), marks[name].reindex(table.index))
    return manifest.with_table(table)
