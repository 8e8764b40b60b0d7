"""Read every file once: its fault, or the hash of its bytes, its size, and the hashes of what it shows."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.images import UnreadableImage, decoded_image, has_few_bits, map_in_threads
from lymphoscope.data.manifest import HASH_COLUMNS, Manifest
from lymphoscope.data.quality import reaches_beyond_crop
from lymphoscope.data.similarity.matching import hash_image, is_current_hash
from lymphoscope.files import sha256_of
from lymphoscope.terminal import counted

FINGERPRINT_COLUMNS = ("sha256", "width", "height", *HASH_COLUMNS)
"""Columns of a manifest that identify an image: by its bytes, its size, and what it shows."""

_CACHED_FILES = 200_000


class FileInspection(NamedTuple):
    """What one reading of a file gives; if `fault` says why it cannot be read, all the rest is empty."""

    fault: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    simhash: str | None = None
    window_hash: str | None = None
    beyond_crop: bool = False
    few_bits: bool = False


def inspect_files(paths: Sequence[str]) -> list[FileInspection]:
    """Inspect files in threads, in the order of the paths."""
    return map_in_threads(inspect_file, paths, "reading cells")


def inspect_file(path: str) -> FileInspection:
    """Read one file. An unreadable one gets no hash: two empty files are no evidence of one cell."""
    try:
        with decoded_image(path) as pixels:
            return _inspect_pixels(path, pixels)
    except UnreadableImage as error:
        return FileInspection(fault=error.reason)
    except OSError as error:
        return FileInspection(fault=error.strerror or "cannot be read")
    except MemoryError:
        return FileInspection(fault="does not fit in memory")


def _inspect_pixels(path: str, pixels: NDArray[np.uint8]) -> FileInspection:
    height, width = pixels.shape[:2]
    return FileInspection(
        None,
        sha256_of(Path(path)),
        width,
        height,
        *hash_image(pixels),
        beyond_crop=reaches_beyond_crop(pixels),
        few_bits=has_few_bits(path, pixels),
    )


def with_fingerprints(manifest: Manifest) -> Manifest:
    """Return the manifest with FINGERPRINT_COLUMNS filled where the file can be read.

    Values of the table are not believed: a file whose SHA-256 differs is read again, and a notice says so. Hashes of
    another version are computed again.
    """
    incomplete, changed = _incomplete(manifest.table), _changed(manifest.table)
    rows = manifest.table.index[incomplete | changed]
    if not len(rows):
        return manifest
    inspections = inspect_files(list(manifest.table.loc[rows, "path"]))
    emptied = manifest.table.copy()
    emptied.loc[changed, [name for name in FINGERPRINT_COLUMNS if name in emptied]] = None
    notices = [_changed_notice(manifest.table.loc[changed, "path"])] if changed.any() else []
    return add_fingerprints(manifest.with_table(emptied, *notices), inspections, rows)


def add_fingerprints(manifest: Manifest, inspections: Sequence[FileInspection], rows: "pd.Index[Any]") -> Manifest:
    """Fill the empty and outdated FINGERPRINT_COLUMNS of `rows` from the inspections of their files."""
    table = manifest.table.copy()
    for name in FINGERPRINT_COLUMNS:
        given = table[name].astype(object) if name in table else pd.Series(None, index=table.index, dtype=object)
        if name in HASH_COLUMNS:
            given = given.where(given.map(is_current_hash), None)
        computed = pd.Series([getattr(one, name) for one in inspections], index=rows, dtype=object)
        table[name] = given.where(given.notna(), computed.reindex(table.index))
    return manifest.with_table(table)


def _incomplete(table: pd.DataFrame) -> "pd.Series[bool]":
    columns = table.reindex(columns=list(FINGERPRINT_COLUMNS))
    outdated = ~columns[list(HASH_COLUMNS)].map(is_current_hash).all(axis=1)
    return columns.isna().any(axis=1) | outdated


def _changed(table: pd.DataFrame) -> "pd.Series[bool]":
    """Rows whose file exists and has another SHA-256 than the table says."""
    given = table[table["sha256"].notna()]
    digests = map_in_threads(_sha256_if_readable, list(given["path"]), "verifying fingerprints") if len(given) else []
    current = pd.Series(digests, index=given.index, dtype=object)
    return (current.notna() & (current != given["sha256"])).reindex(table.index, fill_value=False)


def _changed_notice(paths: "pd.Series[Any]") -> str:
    return f"computed again: fingerprints of {counted(len(paths), 'file')} that differ from the table: {paths.iloc[0]}"


def _sha256_if_readable(path: str) -> str | None:
    try:
        status = Path(path).stat()
        return _sha256_of_version(path, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=_CACHED_FILES)
def _sha256_of_version(path: str, *_version: int) -> str:
    """The digest of a file, computed once for each version (size and time of change) of it."""
    return sha256_of(Path(path))
