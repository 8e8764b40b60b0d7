"""Pictures below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".ppm", ".pgm")
"""Endings of the files that are taken for pictures, in lower case."""


def walk_files(root: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> Iterator[Path]:
    """Yield the files below `root` with one of the endings, sorted within each folder; hidden ones are left out."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield Path(folder, name)
