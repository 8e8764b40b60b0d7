"""Hash, size and look of every picture, read in threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd

from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.looks import look_of
from lymphoscope.data.manifest import Manifest
from lymphoscope.files import sha256_of
from lymphoscope.progress import tracked

T = TypeVar("T")


class Fingerprint(NamedTuple):
    """What a file is: the hash of its bytes, its pixels across and down, its perceptual hash; None where unreadable."""

    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    phash: str | None = None


def fingerprint(path: str) -> Fingerprint:
    """The fingerprint of one picture. An unreadable one has none: two empty files are no evidence of one cell."""
    try:
        pixels = read_image(path)
        height, width = pixels.shape[:2]
        return Fingerprint(sha256_of(Path(path)), width, height, look_of(pixels).phash)
    except (UnreadableImage, OSError):
        return Fingerprint()


def with_fingerprints(manifest: Manifest) -> Manifest:
    """Fill `sha256`, `width`, `height` and `phash` (extra column) where they are empty and the file can be read."""
    table = manifest.table.copy()
    columns = list(Fingerprint._fields)
    lacking = table.reindex(columns=columns).isna().any(axis=1)
    if not lacking.any():
        return manifest
    marks = pd.DataFrame(in_threads(fingerprint, list(table.loc[lacking, "path"]), "reading cells"), dtype=object)
    marks.index = table.index[lacking]
    for name in columns:
        known = table[name].astype(object) if name in table else pd.Series(None, index=table.index, dtype=object)
        table[name] = known.where(known.notna(), marks[name].reindex(table.index))
    return manifest.with_table(table)


def in_threads(function: Callable[[str], T], paths: Sequence[str], what: str) -> list[T]:
    """`function` of every path, in the order of the paths, with progress shown; a thread for each processor."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(tracked(pool.map(function, paths), what, len(paths)))
