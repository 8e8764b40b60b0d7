"""The registry of readers: every module of this folder that defines READER is one.

To add a reader, add a module with a `Reader`; the command, its errors and the documentation take it from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import installed
from lymphoscope.smear.readers.slide import Slide

_OTHER_MODULES = ("pyramid", "registry", "slide")


@dataclass(frozen=True)
class Reader:
    """A way to read fields or slides.

    `order` decides which of several readers that recognise a file opens it: the lowest whose `module` is installed.
    `install` says what installs the module.
    """

    name: str
    title: str
    order: int
    suffixes: tuple[str, ...]
    recognises: Callable[[Path], bool]
    open: Callable[[Path], Slide]
    module: str | None = None
    install: str | None = None

    @property
    def is_installed(self) -> bool:
        """Whether the library that the reader needs can be imported."""
        return self.module is None or installed(self.module)


@cache
def readers() -> tuple[Reader, ...]:
    """Return all readers in the order in which they are asked."""
    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    modules = (import_module(f"{__package__}.{name}") for name in names if name not in _OTHER_MODULES)
    return tuple(sorted((module.READER for module in modules), key=lambda reader: int(reader.order)))


def slide_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files in a folder that are taken as fields or slides."""
    return tuple(sorted({suffix for reader in readers() for suffix in reader.suffixes}))


def reader_of(path: Path) -> Reader:
    """Return the reader of a file or folder.

    Raises LymphoscopeError if none recognises it, and if the library of those that do is not installed.
    """
    able = [reader for reader in readers() if reader.recognises(path)]
    for reader in able:
        if reader.is_installed:
            return reader
    if able:
        first = able[0]
        raise LymphoscopeError(f"{path}: {first.title} need {first.module}, which is not installed: {first.install}")
    available = ", ".join(slide_suffixes())
    raise LymphoscopeError(f"{path} is neither an image nor a slide that can be read: give {available}")


def open_slide(path: Path) -> Slide:
    """Open a field or slide. Raises LymphoscopeError with the reason if it cannot be read."""
    return reader_of(path).open(path)
