"""A cluster writes the results that one machine writes."""

from pathlib import Path

import pytest

import lymphoscope
from lymphoscope.synthetic import TrueCell

pytestmark = pytest.mark.slow


def test_a_cluster_gives_the_bytes_of_one_machine(
    apart: tuple[Path, list[TrueCell]], scaled_model: Path, tmp_path: Path
) -> None:
    how = {"microns_per_pixel": 0.14, "runtime": "torch", "threads": 1, "detector": "classical"}
    lymphoscope.smear(scaled_model, apart[0], tmp_path / "here", **how)
    lymphoscope.smear(scaled_model, apart[0], tmp_path / "there", cluster="local", **how)
    for name in ("cells.parquet", "differential.json", "cells.geojson", "cells.coco.json", "sprites/sprite-00000.webp"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name
