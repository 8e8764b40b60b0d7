"""Ways to do a thing, timed in turns: A B C A B C ..., so that a machine that slows down slows them all."""

import statistics
import time
from collections.abc import Callable, Mapping


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each way, timed in turns after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def show(seconds: Mapping[str, float], cells: int, reference: str) -> None:
    print(f"{'':<28}{'cells/s':>10}{'time beside ' + reference:>28}")
    for name, value in seconds.items():
        print(f"{name:<28}{cells / value:>10.1f}{value / seconds[reference]:>28.2f}")
