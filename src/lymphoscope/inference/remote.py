"""Cells that lie in an object store, or wherever fsspec reaches: `s3://`, `gs://`, `file://`, `memory://`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lymphoscope.data.image_files import IMAGE_SUFFIXES
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require

MARK = "://"
TABLE_SUFFIXES = (".csv", ".parquet")
"""Endings of a manifest's file, here and elsewhere."""


def is_remote(place: str | Path) -> bool:
    """Whether a place is named by a protocol, as `s3://bucket/cells` is."""
    return MARK in str(place)


def file_system(place: str) -> tuple[Any, str]:
    """The fsspec file system of a place, local paths included, and the place's name in it.

    Raises LymphoscopeError where fsspec, or the package that a protocol needs, is not installed.
    """
    require("cluster", place)
    from fsspec.core import url_to_fs

    try:
        system, name = url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise LymphoscopeError(f"{place}: {error}") from error
    return system, str(name)


def images_at(url: str) -> list[str]:
    """The addresses of the pictures below a place, by suffix, sorted, hidden ones left out."""
    system, root = file_system(url)
    names = [name for name in sorted(system.find(root)) if _is_picture(name, root)]
    return [system.unstrip_protocol(name) for name in names]


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """A file of a remote place for a moment on this machine. Raises OSError where it cannot be read."""
    system, name = file_system(url)
    with tempfile.TemporaryDirectory(prefix="lymphoscope-") as folder:
        copy = Path(folder).resolve() / PurePosixPath(name).name
        copy.write_bytes(system.cat_file(name))
        yield copy


def exists(url: str) -> bool:
    """Whether there is a file or a folder of that name."""
    system, name = file_system(url)
    return bool(system.exists(name))


def is_table(url: str) -> bool:
    """Whether an address ends as a manifest does."""
    return url.lower().endswith(TABLE_SUFFIXES)


def _is_picture(name: str, root: str) -> bool:
    below = os.path.relpath(name, root).split("/")
    return name.lower().endswith(IMAGE_SUFFIXES) and not any(part.startswith(".") for part in below if part != ".")
