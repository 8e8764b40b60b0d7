"""Find the image files below a folder, and count by kind what is not one of them."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = (
    *(".bmp", ".dib", ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".tiff", ".webp", ".gif"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
)
"""Suffixes of image files, in lower case. DICOM files (DICOM_SUFFIXES) are added where pydicom is installed."""
DICOM_SUFFIXES = (".dcm", ".dicom")

NO_HEADER = "without an image header"
REPEATED_FOLDER = "to a folder that is read already (a link)"
CLOSED_FOLDER = "folders that cannot be opened"
SPECIAL_FILE = "not regular files"
HIDDEN = "hidden"

_SYSTEM_FILES = (".ds_store", "thumbs.db", "desktop.ini")
_HEADERS = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8", b"P4", b"P5", b"P6")
_HEADERS_2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_HEADER_BYTES = 132
_MAX_SUFFIX = 6
"""Characters of the longest suffix that is taken for one; what follows the dot of `cell 1.left upper` is not."""


def walk_files(
    root: Path, suffixes: tuple[str, ...] | None = None, not_read: Counter[str] | None = None
) -> Iterator[Path]:
    """Yield the image files below `root`, sorted within each folder, without hidden ones.

    A file is an image by its suffix, and by its first bytes if it has no suffix; `suffixes` replaces both. Links to
    folders are followed, but every folder is read once, so that a loop of links ends. Everything else is counted in
    `not_read`, by kind: its suffix, or one of the kinds of this module.
    """
    counts: Counter[str] = Counter() if not_read is None else not_read
    seen = {_identity(Path(folder)) for folder, _, _ in os.walk(root)} - {None}
    yield from _walk(root, seen, suffixes, counts)


def describe_not_read(not_read: Counter[str]) -> str | None:
    """Return one line such as "not read: 1 .dcm, 2 without an image header"; None if everything was read."""
    listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(not_read.items()) if count)
    return f"not read: {listed}" if listed else None


def has_image_header(start: bytes) -> bool:
    """Return whether a file that begins with these bytes (132 or more) may be an image in a supported format."""
    if start.startswith((*_HEADERS, *_HEADERS_2000)):
        return True
    boxed = start[4:12] in (b"ftypavif", b"ftypavis")
    return boxed or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or is_dicom_header(start)


def is_dicom_header(start: bytes) -> bool:
    """Return whether a file that begins with these bytes (132 or more) is DICOM."""
    return start[128:132] == b"DICM"


def _walk(
    folder: Path, seen: set[tuple[int, int] | None], suffixes: tuple[str, ...] | None, counts: Counter[str]
) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        counts[CLOSED_FOLDER] += 1
        return
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    hidden = [entry for entry in entries if entry.name.startswith(".")]
    counts.update(HIDDEN for entry in hidden if entry.name.lower() not in _SYSTEM_FILES)
    for entry in visible:
        if not entry.is_dir():
            path = Path(entry.path)
            kind = _kind(path, suffixes)
            if kind is None:
                yield path
            elif kind:
                counts[kind] += 1
    for entry in visible:
        if entry.is_dir() and _is_new(entry, seen, counts):
            yield from _walk(Path(entry.path), seen, suffixes, counts)


def _is_new(entry: "os.DirEntry[str]", seen: set[tuple[int, int] | None], counts: Counter[str]) -> bool:
    """Whether a folder is to be read: it is none of a link's that was, or will be, read under its own name."""
    if not entry.is_symlink():
        return True
    identity = _identity(Path(entry.path))
    if identity in seen:
        counts[REPEATED_FOLDER] += 1
        return False
    # Its subfolders too, so that another link to one of them does not read it again.
    seen.update(_identity(Path(folder)) for folder, _, _ in os.walk(entry.path))
    return True


def _kind(path: Path, suffixes: tuple[str, ...] | None) -> str | None:
    """Return None for an image, otherwise the kind of the file; an empty one if it is left out without a notice."""
    name = path.name.lower()
    if name in _SYSTEM_FILES:
        return ""
    if name.endswith(suffixes or _readable_suffixes()):
        return None
    suffix = path.suffix.lower()
    if 1 < len(suffix) <= _MAX_SUFFIX and suffix[1:].isalnum() and not suffix[1:].isdigit():
        return suffix
    if suffixes is not None:
        return NO_HEADER
    return _kind_by_header(path)


def _kind_by_header(path: Path) -> str | None:
    try:
        if not path.is_file():
            return SPECIAL_FILE
        with path.open("rb") as stream:
            return None if has_image_header(stream.read(_HEADER_BYTES)) else NO_HEADER
    except OSError:
        return None  # as an image, so that it becomes a row that says why it cannot be opened


def _readable_suffixes() -> tuple[str, ...]:
    from lymphoscope.data.dicom import can_read_dicom

    return (*IMAGE_SUFFIXES, *DICOM_SUFFIXES) if can_read_dicom() else IMAGE_SUFFIXES


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        state = folder.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
