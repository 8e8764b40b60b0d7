"""Functions timed in turns, A B C A B C ..., so that a machine that slows down slows them all."""

import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lymphoscope.runs import current_provenance


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int, *, rest: float = 0.0) -> dict[str, float]:
    """Median seconds of each function, timed in turns after one warm-up round.

    `rest` is a pause in seconds before each call, for calls of milliseconds: the threads of the previous one may still
    be busy.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            time.sleep(rest)
            begun = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def write(path: Path | None, answer: Mapping[str, Any]) -> None:
    """Write the results with the command, commit, device and date, if a file is given."""
    if path is not None:
        script = Path(sys.argv[0])
        command = shlex.join(["python", f"{script.parent.name}/{script.name}", *sys.argv[1:]])
        whole = {**asdict(current_provenance()), "command": command, **answer}
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
