"""Atomic writes and locks: a kill leaves the old file or the new one, and two runs never write one output."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError


@contextmanager
def written_beside(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` on success, remove it on failure.

    The suffix stays the same, because some libraries choose the format by it. Parent folders are created. If `path` is
    a symbolic link, its target is written. `durable` waits until the disk has the file, so that a power cut does not
    lose it. Raises OSError if the disk is full or the folder is not writable, and LymphoscopeError if `path` is a FIFO,
    a device or a folder, which a rename would replace or fail on.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise LymphoscopeError(f"{path} is {kind}: name a file to write to")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield beside
        replace_file(beside, path, durable=durable)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write() has no file name
        raise
    finally:
        beside.unlink(missing_ok=True)


def replace_file(source: Path, target: Path, *, durable: bool = True) -> None:
    """Rename a file over another; if `durable`, after the disk has its content, and wait for the rename too."""
    if durable and source.is_file():
        _sync(source)
    source.replace(target)
    if durable:
        _sync(target.parent)


@contextmanager
def output_lock(out: Path) -> Iterator[None]:
    """Hold the lock of an output file or folder, so that a second run with the same output is refused.

    The lock is a file beside `out`, or in it if `out` is a folder in one that cannot be written, such as the mounted
    folder of a container. It ends with the process, however it ends.
    Raises LymphoscopeError if another run holds it.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    inside = out.is_dir() and not os.access(out.parent, os.W_OK)
    path = out / ".lock" if inside else out.with_name(f".{out.name}.lock")
    descriptor = _lock(path, out)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock ends, so that nobody else's file is removed
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically. Raises ValueError for NaN, which JSON does not have."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lock(path: Path, out: Path) -> int:
    """Return the descriptor of the locked file."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _try_lock(descriptor):
            owner = os.read(descriptor, 100).decode(errors="replace") or "unknown"
            os.close(descriptor)
            raise LymphoscopeError(
                f"{out} is in use by another run ({owner}): wait until it ends, or choose another --out"
            )
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()}".encode())
            return descriptor
        os.close(descriptor)  # its owner removed it in between: try again with a new file


def _try_lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _sync(path: Path) -> None:
    """Wait until the disk has a file or folder; some file systems cannot, which is not an error."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
    finally:
        os.close(descriptor)
