"""How many cells at once: measured here, on the runtime in use."""

import json
import time
from pathlib import Path

import numpy as np

from lymphoscope.inference.chunks import TERMS, Chunks
from lymphoscope.inference.runtime import Runtime

SIZES = (8, 16, 32, 64)
NEARLY_AS_FAST = 1.03
"""A smaller batch within this of the fastest is taken: it needs less memory."""


def best_batch_size(runtime: Runtime, out: Path | None = None) -> int:
    """The smallest of `SIZES` at which cells take nearly the least time each, timed on random cells.

    An unfinished run beside `out` keeps its own size, so that it can go on.
    """
    begun = _begun_with(out) if out else None
    if begun:
        return begun
    seconds = {size: _seconds_a_cell(runtime, size) for size in SIZES}
    return min(size for size in SIZES if seconds[size] <= NEARLY_AS_FAST * min(seconds.values()))


def _seconds_a_cell(runtime: Runtime, size: int) -> float:
    side = runtime.description.preprocessing.size
    cells = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    runtime.predict(cells)  # the first of a shape prepares
    begun = time.perf_counter()
    runtime.predict(cells)
    return (time.perf_counter() - begun) / size


def _begun_with(out: Path) -> int | None:
    terms = Chunks.folder_of(out) / TERMS
    try:
        return int(json.loads(terms.read_text(encoding="utf-8"))["options"]["batch_size"])
    except (OSError, ValueError, LookupError):
        return None
