"""A folder of synthetic smears, as `data synthesize` writes it."""

from pathlib import Path

from lymphoscope.data.manifest import Manifest
from lymphoscope.data.manifest_files import read_manifest
from lymphoscope.data.sources.registry import source

MARK_FILE = "synthetic.json"
"""The file that marks a folder as synthetic; it holds the settings and the planted faults."""
MANIFEST_FILE = "manifest.csv"


def is_synthetic(folder: Path) -> bool:
    """Return whether a folder was written by the generator."""
    return (folder / MARK_FILE).is_file()


@source("synthetic", title="a folder of synthetic smears", reads="folder", detect=is_synthetic, priority=3)
def read_synthetic(folder: Path) -> Manifest:
    """Read the manifest of a synthetic set; its source is always `synthetic`."""
    return Manifest(read_manifest(folder / MANIFEST_FILE).table, "synthetic")
