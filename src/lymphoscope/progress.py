"""Progress of long work: a bar on a terminal, plain lines elsewhere, from the second second on."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from lymphoscope.terminal import bar_stream

T = TypeVar("T")
SECONDS_BEFORE_FIRST_LINE = 2.0
SECONDS_BETWEEN_LINES = 10.0


def tracked(items: Iterable[T], what: str, total: int, done: int = 0) -> Iterator[T]:
    """Yield the items and show on standard error how many of `total` are done; `what` names the work.

    `done` is the number of items that an earlier run finished.
    """
    return _bar(items, what, total, done) if sys.stderr.isatty() else _lines(items, what, total, done)


def _bar(items: Iterable[T], what: str, total: int, done: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=bar_stream()), transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done)
        for item in items:
            yield item
            bar.advance(task)


def _lines(items: Iterable[T], what: str, total: int, done: int) -> Iterator[T]:
    due = time.monotonic() + SECONDS_BEFORE_FIRST_LINE
    first = None  # when the first item was here: cells come in batches, and it alone took as long as its batch
    for count, item in enumerate(items, start=done + 1):
        yield item
        now = time.monotonic()
        first = first or now
        if now >= due:
            due = now + SECONDS_BETWEEN_LINES
            others = count - done - 1
            left = _time_left((now - first) / others * (total - count)) if others else ""
            print(f"{what}: {count} of {total}{left}", file=sys.stderr, flush=True)


def _time_left(seconds: float) -> str:
    """The time left in words; empty at the end."""
    if seconds <= 0:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return ", less than a minute left"
    return f", about {minutes} min left" if minutes < 90 else f", about {minutes / 60:.0f} h left"
