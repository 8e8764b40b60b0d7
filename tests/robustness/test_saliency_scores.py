"""The scores of saliency maps and their verdict, and the measurement of whole models."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Estimate
from lymphoscope.inference import Model, Runtime, load
from lymphoscope.robustness import measure_saliency
from lymphoscope.robustness.saliency_curves import MapCurves, areas
from lymphoscope.robustness.saliency_scores import score_saliency_maps, verdict

STEPS = 8
CLASSES = ("all", "hem")
SUBJECTS = [f"S{index // 4}" for index in range(40)]
CLASS_INDICES = np.arange(40) // 4 % 2


def curves(level: float, spread: float = 0.05, seed: int = 0) -> MapCurves:
    """Curves of 40 cells whose deletion is around `level` and whose insertion around 1 - `level`."""
    noise = np.random.default_rng(seed).normal(0, spread, (40, 1))
    deletion = np.clip(np.full((40, STEPS + 1), level) + noise, 0, 1)
    return MapCurves(deletion, 1 - deletion)


def scored(**levels: float) -> Any:
    made = {name: curves(level, seed=index) for index, (name, level) in enumerate(levels.items())}
    return score_saliency_maps(SUBJECTS, CLASS_INDICES, CLASSES, made, replicates=300)


def test_areas_and_differences_are_means_over_the_cells() -> None:
    result = scored(attention=0.4, grad_cam=0.3, random=0.6)
    expected = {name: areas(curves(level, seed=index).deletion).mean() for name, index, level in
                (("attention", 0, 0.4), ("grad_cam", 1, 0.3), ("random", 2, 0.6))}  # fmt: skip
    assert {each.name: each.deletion.value for each in result.maps} == pytest.approx(expected)
    difference = result.attention_minus_random_deletion
    assert difference.value == pytest.approx(expected["attention"] - expected["random"])
    assert difference.low < difference.value < difference.high < 0
    assert (result.cells, result.steps) == (40, STEPS)
    assert len(result.maps[0].deletion_curve) == STEPS + 1


@pytest.mark.parametrize(
    ("levels", "phrases"),
    [
        ({"attention": 0.4, "grad_cam": 0.3, "random": 0.6}, ["is better than random maps, by deletion and by"]),
        ({"attention": 0.4, "grad_cam": 0.3, "random": 0.6}, ["worse than Grad-CAM by both"]),
        (
            {"attention": 0.4, "centre": 0.5, "random": 0.6},
            ["better than the centre of the image by both"],
        ),
        ({"attention": 0.6, "random": 0.6}, ["not better than random maps", "Do not read it as an explanation"]),
        ({"attention": 0.7, "random": 0.6}, ["worse than random maps", "Do not read it as an explanation"]),
    ],
)
def test_verdict_states_the_comparison(levels: dict[str, float], phrases: list[str]) -> None:
    text = scored(**levels).verdict
    assert all(word in text for word in phrases), text


def difference(low: float | None, high: float | None, reason: str | None = None) -> Estimate:
    return Estimate(value=0.0, low=low, high=high, reason=reason)


def test_verdict_of_a_mixed_result_is_careful() -> None:
    better, same, worse = difference(-0.2, -0.1), difference(-0.1, 0.1), difference(-0.2, -0.1)
    text = verdict(
        {"random": {"deletion": better, "insertion": same}, "grad_cam": {"deletion": better, "insertion": same}}
    )
    assert "better than random maps by deletion, but not better by insertion" in text
    assert "It is better than Grad-CAM by deletion and not distinguishable from Grad-CAM by insertion." in text
    assert "but worse by insertion" in verdict({"random": {"deletion": better, "insertion": worse}})
    assert "not better than random maps, and worse by insertion" in verdict(
        {"random": {"deletion": same, "insertion": worse}}
    )


def test_verdict_without_an_interval_claims_nothing() -> None:
    unknown = difference(None, None, "only one subject of class hem")
    text = verdict(dict.fromkeys(["random", "grad_cam"], dict.fromkeys(["deletion", "insertion"], unknown)))
    assert "cannot be said: only one subject of class hem" in text
    assert "Grad-CAM" not in text


@pytest.fixture
def cells(tmp_path: Path) -> Manifest:
    rows = []
    for index in range(8):
        path = tmp_path / f"{index}.png"
        pixels = np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        rows.append({"path": str(path), "label": ("all", "hem")[index % 2], "subject": f"S{index % 4}"})
    return Manifest(pd.DataFrame(rows).reindex(columns=COLUMNS), "table")


@pytest.mark.slow
def test_model_file_is_tested_on_all_cells(tiny_model: Path, cells: Manifest) -> None:
    model = load(tiny_model, device="cpu", runtime="torch")
    result = measure_saliency([(model, cells)], steps=4, random_maps=2, replicates=50)
    assert [each.name for each in result.maps] == ["attention", "grad_cam", "centre", "random"]
    assert {len(each.deletion_curve) for each in result.maps} == {5}
    # The curves of every map start from the same image.
    assert len({round(each.deletion_curve[0], 5) for each in result.maps}) == 1
    assert len({round(each.insertion_curve[0], 5) for each in result.maps}) == 1
    assert result.cells == 8
    assert result.verdict
    assert result.note == (
        "softmax of the class predicted by the raw stream, masked pixels filled with mean, 2 random maps per cell"
    )
    assert measure_saliency([(model, cells)], steps=4, random_maps=2, replicates=50) == result


def test_unlabelled_unreadable_and_sampled_cells(tiny_model: Path, cells: Manifest) -> None:
    table = cells.table.assign(label=None)
    Path(table["path"][0]).write_bytes(b"")
    result = measure_saliency(
        [(load(tiny_model, device="cpu", runtime="torch"), cells.with_table(table))],
        steps=2,
        random_maps=1,
        replicates=20,
    )
    assert result.cells == 7
    assert result.note is not None
    assert result.note.endswith("1 of them could not be read and were left out")
    sample = measure_saliency(
        [(load(tiny_model, device="cpu", runtime="torch"), cells.with_table(table[1:]))],
        max_cells=3,
        steps=2,
        random_maps=1,
    )
    assert sample.cells == 3


def test_models_and_cells_that_cannot_be_tested_are_errors(
    tiny_model: Path, plain_model: Path, by_colour: Runtime, cells: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(LymphoscopeError, match="has a linear head"):
        measure_saliency([(load(plain_model, device="cpu", runtime="torch"), cells)])
    with pytest.raises(LymphoscopeError, match="torch runtime"):
        measure_saliency([(Model(by_colour), cells)])
    with pytest.raises(LymphoscopeError, match="0 steps"):
        measure_saliency([(load(tiny_model, device="cpu", runtime="torch"), cells)], steps=0)
    nowhere = cells.with_table(cells.table.assign(path=str(tmp_path / "nowhere.png")))
    with pytest.raises(LymphoscopeError, match="none of 8 cells is readable"):
        measure_saliency([(load(tiny_model, device="cpu", runtime="torch"), nowhere)])
