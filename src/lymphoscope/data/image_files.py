"""Find the image files below a folder, by their suffix."""

import os
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".ppm", ".pgm")
"""Suffixes of image files, in lower case."""


def walk_files(root: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> Iterator[Path]:
    """Yield the files below `root` with one of the suffixes, sorted within each folder, without hidden ones."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield Path(folder, name)
