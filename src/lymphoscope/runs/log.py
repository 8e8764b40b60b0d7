"""What a run says: to the person on standard error, and with the time to the run's `log.txt`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lymphoscope.runs.processes import is_rank_zero

_LOGGER = logging.getLogger("lymphoscope.runs")
_LOGGER.setLevel(logging.INFO)
_LOGGER.propagate = False


class _ToThePerson(logging.StreamHandler[TextIO]):
    """Standard error, told apart from handlers that others may have put on the logger."""


def say(line: str) -> None:
    """Say a line; heard while `logged` is open, from the leading process."""
    if is_rank_zero():
        _LOGGER.info(line)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Send what is said meanwhile to standard error and to the end of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = logging.FileHandler(path, encoding="utf-8")
    kept.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    # A run inside a run (a fold, the demo) is heard once.
    nested = any(isinstance(handler, _ToThePerson) for handler in _LOGGER.handlers)
    handlers: list[logging.Handler] = [kept] if nested else [kept, _ToThePerson()]
    for handler in handlers:
        _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            _LOGGER.removeHandler(handler)
            handler.close()
