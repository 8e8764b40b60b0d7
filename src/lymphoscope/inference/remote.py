"""Files in an object store, or wherever fsspec reaches: `s3://`, `gs://`, `file://`, `memory://`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lymphoscope.data.image_files import IMAGE_SUFFIXES
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require

PROTOCOL_MARK = "://"
TABLE_SUFFIXES = (".csv", ".parquet")
"""Suffixes of a manifest, local or remote."""


def is_remote(path: str | Path) -> bool:
    """Return whether a path is an address with a protocol, as `s3://bucket/cells` is."""
    return PROTOCOL_MARK in str(path)


def file_system(path: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address or local path, and the name in it.

    Raises LymphoscopeError if fsspec, or the package that a protocol needs, is not installed.
    """
    require("cluster", path)
    from fsspec.core import url_to_fs

    try:
        system, name = url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise LymphoscopeError(f"{path}: {error}") from error
    return system, str(name)


def images_at(url: str) -> list[str]:
    """Return the addresses of the image files below an address, by suffix, sorted, without hidden ones."""
    system, root = file_system(url)
    names = [name for name in sorted(system.find(root)) if _is_image(name, root)]
    return [system.unstrip_protocol(name) for name in names]


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Copy a remote file to this machine while the context is open. Raises OSError if it cannot be read."""
    system, name = file_system(url)
    with tempfile.TemporaryDirectory(prefix="lymphoscope-") as folder:
        copy = Path(folder).resolve() / PurePosixPath(name).name
        copy.write_bytes(system.cat_file(name))
        yield copy


def exists(url: str) -> bool:
    """Return whether there is a file or a folder at an address."""
    system, name = file_system(url)
    return bool(system.exists(name))


def is_table(url: str) -> bool:
    """Return whether an address ends as a manifest does."""
    return url.lower().endswith(TABLE_SUFFIXES)


def _is_image(name: str, root: str) -> bool:
    parts = os.path.relpath(name, root).split("/")
    return name.lower().endswith(IMAGE_SUFFIXES) and not any(part.startswith(".") for part in parts if part != ".")
