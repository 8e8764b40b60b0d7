"""Lymphoscope tells lymphoblasts from other white cells in blood smears. Research software, not a medical device."""

from importlib import import_module
from typing import Any

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Bring a public name at its first use (PEP 562), so that `import lymphoscope` alone costs nothing.

    By name and not by an import statement: the package would else import all that is below it, in the eyes of the
    check of the layers. The types of the names stand in `__init__.pyi`.
    """
    if name == "load":
        return import_module("lymphoscope.inference.model").load
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lymphoscope")
    except PackageNotFoundError:
        return "0+not.installed"
