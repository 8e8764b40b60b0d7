"""Many pictures at a time."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lymphoscope.progress import tracked

T = TypeVar("T")


def in_threads(function: Callable[[str], T], paths: Sequence[str], what: str) -> list[T]:
    """`function` of every path, in the order of the paths, with progress shown; a thread for each processor."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(tracked(pool.map(function, paths), what, len(paths)))
