"""Files at addresses, read through fsspec: object stores, web servers, `file://` and `memory://`."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lymphoscope.data.image_files import IMAGE_SUFFIXES
from lymphoscope.errors import LymphoscopeError
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
        raise LymphoscopeError(f"{path}: no protocol {protocol!r}: addresses begin with {', '.join(PROTOCOLS)}")
    if not installed("fsspec"):
        raise LymphoscopeError(f"{path} needs fsspec, which is not installed: pip install 'lymphoscope[cluster]'")
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
    return bool(system.exists(name))


def is_table(url: str) -> bool:
    """Return whether an address ends as a manifest does."""
    return url.lower().endswith(TABLE_SUFFIXES)


def _download(system: Any, name: str, copy: Path) -> None:
    """Copy a file in pieces, so that one without an end fills neither memory nor disk."""
    try:
        with system.open(name, "rb") as source, copy.open("wb") as target:
            size = 0
            while piece := source.read(_PIECE):
                size += len(piece)
                if size > MAX_BYTES:
                    raise OSError(errno.EFBIG, f"larger than {MAX_BYTES // 1024**2} MB")  # noqa: TRY301
                target.write(piece)
    except OSError:
        raise
    except _store_errors() as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


def _store_errors() -> tuple[type[Exception], ...]:
    """Return what the packages of stores raise besides OSError."""
    errors: list[type[Exception]] = [ValueError, LookupError, RuntimeError, TypeError, ImportError, EOFError]
    for module, names in _STORE_ERRORS.items():
        if module in sys.modules:
            errors += [getattr(sys.modules[module], name) for name in names]
    return tuple(errors)


_STORE_ERRORS = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp": ("ClientError",),
    "google.auth.exceptions": ("GoogleAuthError",),
    "azure.core.exceptions": ("AzureError",),
}


def _is_image(name: str, root: str) -> bool:
    parts = os.path.relpath(name, root).split("/")
    return name.lower().endswith(IMAGE_SUFFIXES) and not any(part.startswith(".") for part in parts if part != ".")
