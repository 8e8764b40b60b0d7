"""SHA-256 and size of every picture, read in threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.manifest import Manifest
from lymphoscope.files import sha256_of
from lymphoscope.progress import tracked

T = TypeVar("T")


class Fingerprint(NamedTuple):
    """What a file is: the hash of its bytes and its size in pixels; all None where it cannot be read."""

    sha256: str | None
    width: int | None
    height: int | None


def fingerprint(path: str) -> Fingerprint:
    """Hash and size of one picture. An unreadable one has none: two empty files are no evidence of one cell."""
    try:
        height, width = read_image(path).shape[:2]
        return Fingerprint(sha256_of(Path(path)), width, height)
    except (UnreadableImage, OSError):
        return Fingerprint(None, None, None)


def with_fingerprints(manifest: Manifest) -> Manifest:
    """Fill `sha256`, `width` and `height` of the cells that lack one of them; None where a file cannot be read."""
    table = manifest.table.copy()
    columns = ["sha256", "width", "height"]
    lacking = table[columns].isna().any(axis=1)
    if not lacking.any():
        return manifest
    found = in_threads(fingerprint, list(table.loc[lacking, "path"]), "reading cells")
    for place, name in enumerate(columns):
        table.loc[lacking, name] = [mark[place] for mark in found]
    return manifest.with_table(table)


def in_threads(function: Callable[[str], T], paths: Sequence[str], what: str) -> list[T]:
    """`function` of every path, in the order of the paths, with progress shown; a thread for each processor."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(tracked(pool.map(function, paths), what, len(paths)))
