"""Overlap of maps with a nucleus: maps of known position, and a whole model on outlined cells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import load
from lymphoscope.robustness import measure_overlap, read_outlined_cells
from lymphoscope.robustness.saliency_overlap import CYTOPLASM, NUCLEUS, map_overlap, summarise_overlap

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "masks" / "cells.csv"
SIDE = 40


def regions() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nucleus, cytoplasm = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    cytoplasm[10:30, 10:30] = 1
    nucleus[12:20, 12:20] = 1
    return nucleus, cytoplasm - nucleus


def test_map_on_the_nucleus_covers_it_and_its_inverse_does_not() -> None:
    nucleus, cytoplasm = regions()
    best, worst = map_overlap(nucleus, nucleus, cytoplasm), map_overlap(1 - nucleus, nucleus, cytoplasm)
    assert best == {
        "nucleus": 1, "cytoplasm": 0, "background": 0, "nucleus_covered": 1, "peak_on_nucleus": 1
    }  # fmt: skip
    assert worst["nucleus"] == worst["nucleus_covered"] == worst["peak_on_nucleus"] == 0
    assert worst["background"] == pytest.approx(1200 / 1536)


def test_constant_map_lies_as_the_areas_do() -> None:
    nucleus, cytoplasm = regions()
    even = map_overlap(np.full((SIDE, SIDE), 0.3), nucleus, cytoplasm)
    assert (even["nucleus"], even["cytoplasm"]) == pytest.approx((nucleus.mean(), cytoplasm.mean()))


def test_overlap_does_not_depend_on_the_scale_of_the_map() -> None:
    nucleus, cytoplasm = regions()
    saliency_map = np.random.default_rng(0).random((SIDE, SIDE))
    assert map_overlap(5 * saliency_map - 2, nucleus, cytoplasm) == pytest.approx(
        map_overlap(saliency_map, nucleus, cytoplasm)
    )


@pytest.mark.parametrize(
    ("attention", "centre", "phrase"),
    [
        (0.9, 0.5, "lies on the nucleus, more than the centre"),
        (0.5, 0.9, "lies on the nucleus, less than the centre"),
        (0.5, 0.5, "no more than the centre"),
        (0.1, 0.5, "is not shown to lie on the nucleus"),
    ],
)
def test_verdict_compares_with_chance_and_with_the_centre(attention: float, centre: float, phrase: str) -> None:
    def cell(seed: int) -> dict[str, dict[str, float]]:
        noise = np.random.default_rng(seed).normal(0, 0.02, 2)
        row = {"nucleus": 0.2, "cytoplasm": 0.3, "background": 0.5, "nucleus_covered": 0.2, "peak_on_nucleus": 0.0}
        return {
            "attention": row | {"nucleus_covered": attention + noise[0]},
            "centre": row | {"nucleus_covered": centre + noise[1]},
            "area": row,
        }

    assert phrase in summarise_overlap([cell(seed) for seed in range(30)], replicates=200).verdict


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = []
    nucleus, cytoplasm = regions()
    mask = (nucleus * NUCLEUS + cytoplasm * CYTOPLASM).astype(np.uint8)
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        Image.fromarray(mask).save(tmp_path / f"{index}_mask.png")
        rows.append({"path": f"{index}.png", "mask": f"{index}_mask.png", "source": "ab"[index % 2]})
    pd.DataFrame(rows).to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


def test_model_is_measured_on_outlined_cells(tiny_model: Path, table: Path) -> None:
    model, cells = load(tiny_model, device="cpu", runtime="torch"), read_outlined_cells(table)
    overlap = measure_overlap(model, cells, replicates=50)
    assert overlap.cells == 6
    assert [each.name for each in overlap.maps] == ["attention", "grad_cam", "centre"]
    geometry = model.description.preprocessing.geometry()
    side = SIDE if geometry.crop_mode == "resize" else geometry.crop
    assert overlap.nucleus_area.value == pytest.approx(64 / side**2, rel=0.1)
    for each in overlap.maps:
        parts = (each.nucleus.value, each.cytoplasm.value, each.background.value)
        assert sum(part or 0 for part in parts) == pytest.approx(1)
    assert measure_overlap(model, cells, replicates=50) == overlap
    assert measure_overlap(model, cells, background="black", replicates=50) != overlap


def test_faulty_tables_and_masks_are_errors(tiny_model: Path, table: Path) -> None:
    assert len(read_outlined_cells(table, "a")) == 3
    with pytest.raises(LymphoscopeError, match="no row of source 'c'"):
        read_outlined_cells(table, "c")
    Image.new("L", (9, 9)).save(table.parent / "0_mask.png")
    model = load(tiny_model, device="cpu", runtime="torch")
    with pytest.raises(LymphoscopeError, match=r"0_mask\.png"):
        measure_overlap(model, read_outlined_cells(table))
    with pytest.raises(LymphoscopeError, match="no outlined cells"):
        measure_overlap(model, [])
    pd.read_csv(table).drop(columns="mask").to_csv(table, index=False)
    with pytest.raises(LymphoscopeError, match="'mask' is missing"):
        read_outlined_cells(table)


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_real_masks_are_read() -> None:
    assert [len(read_outlined_cells(REAL, source)) for source in ("tecom", "cellavision")] == [300, 100]
