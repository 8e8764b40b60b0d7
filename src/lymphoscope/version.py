"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lymphoscope")
except PackageNotFoundError:
    __version__ = "0+not.installed"
