"""Cells of a CSV or Parquet table, and of a folder of synthetic smears."""

from pathlib import Path

from lymphoscope.data.manifest import Manifest, read_manifest

SYNTHETIC_MARK = "synthetic.json"
"""The file that says a folder was made by the generator."""
SYNTHETIC_MANIFEST = "manifest.csv"


def read_table(path: Path) -> Manifest:
    """A manifest of a table with at least the column `path`. Raises LymphoscopeError as `read_manifest` does."""
    return read_manifest(path)


def read_synthetic(folder: Path) -> Manifest:
    """The manifest of a folder of synthetic smears; its source is always `synthetic`."""
    return Manifest(read_manifest(folder / SYNTHETIC_MANIFEST).table, "synthetic")
