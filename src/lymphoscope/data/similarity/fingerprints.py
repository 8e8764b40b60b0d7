"""Read every file once: its fault, or the hash of its bytes, its size, its perceptual hash and its simhash."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.images import UnreadableImage, map_in_threads, read_image
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.quality import reaches_beyond_crop
from lymphoscope.data.similarity.perceptual_hash import hash_image
from lymphoscope.data.similarity.simhash import simhashes
from lymphoscope.files import sha256_of

FINGERPRINT_COLUMNS = ("sha256", "width", "height", "phash", "simhash")
"""Columns of a manifest that identify an image: by its bytes, its pixels, and coarsely and finely by what it shows."""


class FileInspection(NamedTuple):
    """What one reading of a file gives; if `fault` says why it cannot be read, all the rest is empty."""

    fault: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    thumbnail: NDArray[np.uint8] | None = None  # (64, 64)
    beyond_crop: bool = False


def inspect_files(paths: Sequence[str]) -> list[FileInspection]:
    """Inspect files in threads, in the order of the paths."""
    return map_in_threads(inspect_file, paths, "reading cells")


def inspect_file(path: str) -> FileInspection:
    """Read one file. An unreadable one gets no hash: two empty files are no evidence of one cell."""
    try:
        pixels = read_image(path)
        sha256 = sha256_of(Path(path))
    except UnreadableImage as error:
        return FileInspection(fault=error.reason)
    except OSError as error:
        return FileInspection(fault=error.strerror or "cannot be read")
    height, width = pixels.shape[:2]
    return FileInspection(None, sha256, width, height, *hash_image(pixels), reaches_beyond_crop(pixels))


def with_fingerprints(manifest: Manifest) -> Manifest:
    """Return the manifest with FINGERPRINT_COLUMNS filled where they are empty and the file can be read."""
    incomplete = manifest.table.reindex(columns=list(FINGERPRINT_COLUMNS)).isna().any(axis=1)
    if not incomplete.any():
        return manifest
    inspections = inspect_files(list(manifest.table.loc[incomplete, "path"]))
    return add_fingerprints(manifest, inspections, manifest.table.index[incomplete])


def add_fingerprints(manifest: Manifest, inspections: Sequence[FileInspection], rows: "pd.Index[Any]") -> Manifest:
    """Fill the empty FINGERPRINT_COLUMNS of `rows` of the manifest's table from the inspections of their files."""
    read = {name: [getattr(one, name) for one in inspections] for name in FINGERPRINT_COLUMNS[:-1]}
    computed = pd.DataFrame(read, dtype=object)
    computed["simhash"] = pd.Series(simhashes([one.thumbnail for one in inspections]), dtype=object)
    computed.index = rows
    table = manifest.table.copy()
    for name in FINGERPRINT_COLUMNS:
        given = table[name].astype(object) if name in table else pd.Series(None, index=table.index, dtype=object)
        table[name] = given.where(given.notna(), computed[name].reindex(table.index))
    return manifest.with_table(table)
