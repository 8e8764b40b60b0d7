"""Lymphoscope tells lymphoblasts from other white cells in blood smears. Research software, not a medical device."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lymphoscope.inference.model import load

    __version__: str

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Bring a public name at its first use (PEP 562), so that `import lymphoscope` alone costs nothing."""
    if name == "load":
        from lymphoscope.inference.model import load

        return load
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
