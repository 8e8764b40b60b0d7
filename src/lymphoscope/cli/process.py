"""The process around a command: signals that stop it, and standard streams that are closed or full."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

from lymphoscope.terminal import printable
from lymphoscope.vocabulary import ExitStatus

STATUSES = {signal.SIGINT: ExitStatus.INTERRUPTED, signal.SIGTERM: ExitStatus.TERMINATED}
_VERBS = {ExitStatus.INTERRUPTED: "interrupted", ExitStatus.TERMINATED: "terminated"}
_HINTS = {
    "train": "continue with --resume",
    "predict": "give the same command again to continue, if it has --out",
    "demo": "give the same command again to continue",
    "reproduce": "give the same command again to continue",
}
"""What to do next, by command; the others start again."""


class Stopped(BaseException):
    """A signal asked the process to stop. Not an Exception, so that nothing on the way handles it as an error."""

    def __init__(self, status: ExitStatus) -> None:
        super().__init__(status)
        self.status = status


class OutputError(Exception):
    """Standard output cannot be written: its reader has closed it (no message), or the message says why."""

    def __init__(self, error: OSError) -> None:
        broken = error.errno == errno.EPIPE
        super().__init__("" if broken else f"standard output cannot be written: {error.strerror}")
        self.status = ExitStatus.OUTPUT_CLOSED if broken else ExitStatus.USAGE


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise Stopped in the main thread at SIGINT or SIGTERM, so that files are cleaned up on the way out.

    A second signal ends the process at once. Forked workers keep the usual behaviour.
    """
    process, stopped = os.getpid(), False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if stopped:
            os._exit(STATUSES[signal.Signals(number)])
        stopped = True
        raise Stopped(STATUSES[signal.Signals(number)])

    try:
        previous = {number: signal.signal(number, stop) for number in STATUSES}
    except ValueError:  # not the main thread: its owner handles signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def describe_stop(status: ExitStatus, command: str | None) -> str:
    """Return the line for a stopped command: what happened and what to do next."""
    hint = _HINTS.get(command or "")
    return f"lymphoscope: {_VERBS[status]}" + (f"; {hint}" if hint else "")


def guard_streams() -> bool:
    """Prepare the standard streams of the process; return False if standard output is closed.

    A closed stream goes to /dev/null. Otherwise the next file that is opened would get its number, and messages of
    libraries would be written into that file. Errors of standard output become OutputError, those of standard error are
    ignored: messages are lost rather than the work.
    """
    usable = sys.stdout is not None
    null = os.open(os.devnull, os.O_RDWR)
    while null <= 2:
        null = os.dup(null)
    os.close(null)
    stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stdout, sys.stderr = _Output(stdout), _Messages(stderr)
    return usable


def discard_output() -> None:
    """Send the rest of standard output to /dev/null, so that the interpreter does not fail again when it ends."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


class _Stream:
    """A text stream with another behaviour on errors."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Output(_Stream):
    """Standard output: control characters are escaped, and errors become OutputError, which no library handles."""

    def write(self, text: str) -> int:
        try:
            return self._stream.write(printable(text))
        except OSError as error:
            raise OutputError(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputError(error) from error


class _Quiet(_Stream):
    """A stream whose errors are ignored."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Messages(_Quiet):
    """Standard error: errors are ignored, and control characters are escaped, but not those of a progress bar."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.unescaped = _Quiet(stream)

    def write(self, text: str) -> int:
        return super().write(printable(text))
