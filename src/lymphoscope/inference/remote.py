"""Files at addresses, read through fsspec: object stores, web servers, `file://` and `memory://`."""

import errno
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lymphoscope.data.image_files import HIDDEN, IMAGE_SUFFIXES, NO_HEADER
from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.extras import installed

PROTOCOL_MARK = "://"
TABLE_SUFFIXES = (".csv", ".parquet")
"""Suffixes of a manifest, local or remote."""


PROTOCOLS = ("s3", "gs", "gcs", "az", "abfs", "abfss", "https", "http", "file", "memory")
"""Protocols that are read; fsspec knows others, some of which start programs or open archives."""
MAX_BYTES = 512 * 1024**2
"""Size of the largest remote file that is read."""
_PIECE = 1024**2


def is_remote(path: str | Path) -> bool:
    """Return whether a path is an address with a protocol, as `s3://bucket/cells` is."""
    return PROTOCOL_MARK in str(path)


def file_system(path: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address or local path, and the name in it.

    Raises LymphoscopeError for a protocol that is not one of PROTOCOLS, and if fsspec, or the package that a protocol
    needs, is not installed.
    """
    protocol, mark, _ = path.partition(PROTOCOL_MARK)
    if mark and protocol.lower() not in PROTOCOLS:
        raise LymphoscopeError(
            f"{path}: the protocol {protocol!r} is not supported: addresses begin with {', '.join(PROTOCOLS)}"
        )
    if not installed("fsspec"):
        raise LymphoscopeError(f"{path} needs fsspec, which is not installed: pip install 'lymphoscope[cluster]'")
    from fsspec.core import url_to_fs

    try:
        with _any_error_as_os_error():
            system, name = url_to_fs(path)
    except OSError as error:
        raise LymphoscopeError(f"{path}: {one_line(error.strerror or error)}") from error
    return system, str(name)


def images_at(url: str) -> tuple[list[str], Counter[str]]:
    """Return the addresses of the image files below an address, sorted, and how many others there are, by kind.

    By suffix, without hidden ones. Raises LymphoscopeError if the store does not answer or refuses.
    """
    system, root = file_system(url)
    try:
        with _any_error_as_os_error():
            names = sorted(system.find(root))
    except OSError as error:
        raise LymphoscopeError(f"{url} cannot be listed: {one_line(error.strerror or error)}") from error
    images = [name for name in names if _is_image(name, root)]
    others = Counter(_kind(name, root) for name in names if not _is_image(name, root))
    return [system.unstrip_protocol(name) for name in images], others


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Copy a remote file to this machine while the context is open.

    Raises OSError if it cannot be read or is larger than MAX_BYTES, and LymphoscopeError as `file_system` does.
    """
    system, name = file_system(url)
    with tempfile.TemporaryDirectory(prefix="lymphoscope-") as folder:
        copy = Path(folder).resolve() / (PurePosixPath(name).name or "file")
        _download(system, name, copy)
        yield copy


def exists(url: str) -> bool:
    """Return whether there is a file or a folder at an address."""
    system, name = file_system(url)
    try:
        with _any_error_as_os_error():
            return bool(system.exists(name))
    except OSError as error:
        raise LymphoscopeError(f"{url} cannot be reached: {one_line(error.strerror or error)}") from error


def is_table(url: str) -> bool:
    """Return whether an address ends as a manifest does."""
    return url.lower().endswith(TABLE_SUFFIXES)


def _download(system: Any, name: str, copy: Path) -> None:
    """Copy a file in pieces, so that one without an end fills neither memory nor disk."""
    with _any_error_as_os_error(), system.open(name, "rb") as source, copy.open("wb") as target:
        size = 0
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise OSError(errno.EFBIG, f"larger than {MAX_BYTES // 1024**2} MB")
            target.write(piece)


@contextmanager
def _any_error_as_os_error() -> Iterator[None]:
    """Around calls of a store's package, which may raise anything: a run must not end for the error of one cell."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, one_line(f"{type(error).__name__}: {error}", 300)) from error


def _is_image(name: str, root: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and not _is_hidden(name, root)


def _is_hidden(name: str, root: str) -> bool:
    parts = os.path.relpath(name, root).split("/")
    return any(part.startswith(".") for part in parts if part != ".")


def _kind(name: str, root: str) -> str:
    return HIDDEN if _is_hidden(name, root) else PurePosixPath(name).suffix.lower() or NO_HEADER
