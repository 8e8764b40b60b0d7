"""A CSV or Parquet table with one row per cell."""

from pathlib import Path

from lymphoscope.data.manifest import Manifest
from lymphoscope.data.manifest_files import read_manifest
from lymphoscope.data.sources.registry import source


@source("table", title="a CSV or Parquet table with one row per cell", reads="file", detect=Path.is_file)
def read_table(path: Path) -> Manifest:
    """Read a table with at least the column `path`. Raises LymphoscopeError as `read_manifest` does."""
    return read_manifest(path)
