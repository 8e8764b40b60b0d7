"""The registry of sources: every module of this folder registers one, named like the module.

To add a source, add a module with one function decorated with `source`; `read_source`, help and error messages take
it from there. Imports neither pandas nor the sources until one is used, because the command line asks for the names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal

from lymphoscope.errors import LymphoscopeError

if TYPE_CHECKING:
    from lymphoscope.data.manifest import Manifest

_PATTERN = "subject_pattern"


@dataclass(frozen=True)
class Source:
    """A kind of place that cells are read from.

    `title` says in a few words what it reads, `detect` whether a file or folder is of this kind. Sources are asked in
    the order of their `priority`, the highest first.
    """

    name: str
    title: str
    reads: Literal["file", "folder"]
    detect: Callable[[Path], bool]
    priority: int
    read: Callable[..., "Manifest"]

    @property
    def takes_subject_pattern(self) -> bool:
        """Whether subjects are found in the paths by a regular expression."""
        return _PATTERN in signature(self.read).parameters


def source(
    name: str,
    *,
    title: str,
    reads: Literal["file", "folder"],
    detect: Callable[[Path], bool],
    priority: int = 1,
) -> Callable[[Callable[..., "Manifest"]], Callable[..., "Manifest"]]:
    """Register a function from a path to a Manifest as a source; see Source for the arguments."""

    def register(read: Callable[..., "Manifest"]) -> Callable[..., "Manifest"]:
        read.source = Source(name, title, reads, detect, priority, read)  # type: ignore[attr-defined]
        return read

    return register


@cache
def source_names() -> tuple[str, ...]:
    """Return the names of all sources, in alphabetical order, without importing them."""
    folder = str(Path(__file__).parent)
    return tuple(sorted(module.name for module in iter_modules([folder]) if module.name != Path(__file__).stem))


@cache
def get_source(name: str) -> Source:
    """Return a source by name. Raises LymphoscopeError if its module does not register it."""
    module = import_module(f"{__package__}.{name}")
    for value in vars(module).values():
        registered = getattr(value, "source", None)
        if isinstance(registered, Source) and registered.name == name:
            return registered
    raise LymphoscopeError(f"{module.__name__} registers no source {name}: decorate its function with @source")


def source_help() -> str:
    """Return one sentence on how to name a source, for help texts and errors."""
    return f"A source is PATH, or NAME:PATH with one of the names {', '.join(source_names())}"


def read_source(where: str, *, subject_pattern: str | None = None) -> "Manifest":
    """Read the cells at `where`: a path, whose kind is detected, or `NAME:PATH` with the name of a source.

    Images are not opened. Raises LymphoscopeError: no such file or folder, a source that does not read it, a
    `subject_pattern` where the source takes none, and what each source raises.
    """
    chosen, path = _parse(where)
    if subject_pattern is None:
        return chosen.read(path)
    if not chosen.takes_subject_pattern:
        accepting = [name for name in source_names() if get_source(name).takes_subject_pattern]
        raise LymphoscopeError(
            f"a subject pattern is for {' and '.join(accepting)}, but {where} is read as {chosen.name}: "
            f"leave out the pattern, or write {accepting[0]}:PATH"
        )
    return chosen.read(path, subject_pattern=subject_pattern)


def _parse(where: str) -> tuple[Source, Path]:
    name, colon, rest = where.partition(":")
    is_named = bool(colon) and name in source_names()
    path = Path(rest if is_named else where).expanduser()
    if not path.exists():
        raise LymphoscopeError(f"{path}: no such file or folder. {source_help()}")
    chosen = get_source(name) if is_named else _detected(path)
    if path.is_file() != (chosen.reads == "file"):
        raise LymphoscopeError(f"{path}: the source {chosen.name} reads a {chosen.reads}. {source_help()}")
    return chosen, path.resolve()


def _detected(path: Path) -> Source:
    sources = sorted(map(get_source, source_names()), key=lambda each: -each.priority)
    kind = "file" if path.is_file() else "folder"
    return next(each for each in sources if each.reads == kind and each.detect(path))
