"""Which of several runtimes is the fastest for a model on this machine: measured once, then remembered.

No runtime is the fastest on every processor and network, so that an order fixed in advance is wrong somewhere.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lymphoscope.files import write_text
from lymphoscope.inference.backends.protocol import NetworkRuntime
from lymphoscope.inference.backends.registry import OpenOptions, RuntimeInfo, default_threads
from lymphoscope.model_file import Description
from lymphoscope.privacy import cache_path
from lymphoscope.processor import processor_name

CELLS = 8
"""Cells of a measured batch."""
PASSES = 3
"""Measured passes of each runtime, after one that prepares; the fastest counts."""

Open = Callable[[RuntimeInfo], NetworkRuntime]


class Speed(NamedTuple):
    """Seconds per pass of one cell by name of the runtime, and whether they were remembered or measured now."""

    seconds: dict[str, float]
    remembered: bool

    @property
    def fastest(self) -> str:
        """The name of the fastest runtime."""
        return min(self.seconds, key=lambda name: self.seconds[name])

    def __str__(self) -> str:
        order = sorted(self.seconds, key=lambda name: self.seconds[name])
        listed = ", ".join(f"{name} {1000 * self.seconds[name]:.1f} ms" for name in order)
        return f"{'measured before' if self.remembered else 'measured now'}, per pass of one cell: {listed}"


def records_file() -> Path:
    """Return the file that remembers the measurements of this machine; it may be deleted at any time."""
    return Path(cache_path()) / "runtimes.json"


def runtime_speed(
    runtimes: Sequence[RuntimeInfo], description: Description, options: OpenOptions, open_runtime: Open
) -> Speed:
    """Return how fast each runtime computes one pass of a model's network, from memory if it was measured before.

    Measuring opens every runtime, which takes seconds. A folder that cannot be written only means that it is measured
    again the next time.
    """
    key = _key(runtimes, description, options)
    records = _read_records()
    if key in records:
        return Speed(records[key], remembered=True)
    seconds = {runtime.name: _seconds_per_cell(open_runtime(runtime), description) for runtime in runtimes}
    _write_records({**records, key: seconds})
    return Speed(seconds, remembered=False)


def _key(runtimes: Sequence[RuntimeInfo], description: Description, options: OpenOptions) -> str:
    """Return a name for everything that the speed depends on: processor, threads, network, precision and libraries."""
    facts = [
        processor_name(),
        options.threads or default_threads(),
        options.precision,
        description.weights_sha256,
        description.preprocessing.size,
        [(runtime.name, version(runtime.module)) for runtime in runtimes],
    ]
    return f"{description.name}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"


def _seconds_per_cell(network: NetworkRuntime, description: Description) -> float:
    side = description.preprocessing.size
    cells = np.random.default_rng(0).integers(0, 256, (CELLS, side, side, 3), dtype=np.uint8)
    images = network.images(cells)
    network.forward_with_features(images)  # the first pass of a shape prepares
    passes = []
    for _ in range(PASSES):
        start = time.perf_counter()
        network.forward_with_features(images)
        passes.append(time.perf_counter() - start)
    return min(passes) / CELLS


def _read_records() -> dict[str, dict[str, float]]:
    """Return the remembered measurements; none where the file is missing or damaged."""
    try:
        content = json.loads(records_file().read_text(encoding="utf-8"))
        return {key: {name: float(value) for name, value in record.items()} for key, record in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_records(records: dict[str, dict[str, float]]) -> None:
    try:
        write_text(records_file(), json.dumps(records, indent=2) + "\n")
    except OSError:
        return
