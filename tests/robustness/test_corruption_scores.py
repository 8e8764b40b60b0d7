"""The shift card of a model: each cell read once, scores as a prediction has them, on any runtime."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import METRICS, evaluate_predictions
from lymphoscope.inference import Model, load
from lymphoscope.inference.ternary import Runtime
from lymphoscope.robustness import measure_corruptions
from lymphoscope.robustness.corruptions import CORRUPTIONS, LEVELS, corrupt_image

SIDE = 40
STEPS = [(name, level) for name in CORRUPTIONS for level in range(1, LEVELS + 1)]


def manifest_of(rows: list[dict[str, str | None]]) -> Manifest:
    return Manifest(pd.DataFrame(rows).reindex(columns=COLUMNS), "table")


def write_cells(folder: Path, values: dict[str, tuple[int, int, int]], each: int = 3) -> Manifest:
    """Even cells of a class of a colour: two subjects a class, `each` cells a subject."""
    rows: list[dict[str, str | None]] = []
    for label, colour in values.items():
        for place in range(2 * each):
            path = folder / f"{label}{place}.png"
            Image.new("RGB", (SIDE, SIDE), colour).save(path)
            rows.append({"path": str(path), "label": label, "subject": f"{label}-{place // each}"})
    return manifest_of(rows)


def test_a_model_of_brightness_breaks_where_light_is_lost(by_colour: Runtime, tmp_path: Path) -> None:
    # the runtime calls above 127 the second class: grey 160 is safe against all but a third less light
    manifest = write_cells(tmp_path, {"all": (60, 60, 60), "hem": (160, 160, 160)})
    card = measure_corruptions([(Model(by_colour), manifest)], replicates=100)
    found = {(step.corruption, step.level): step for step in card.steps}
    assert [*found] == STEPS
    assert card.uncorrupted["balanced_accuracy"].value == 1
    for (name, level), step in found.items():
        first, second = (corrupt_image(np.full((SIDE, SIDE, 3), grey, np.uint8), name, level) for grey in (60, 160))
        right = [np.median(first) < 127.5, np.median(second) > 127.5]
        if not name.startswith("stain") and not (name == "noise" and level > 3):
            assert step.scores["balanced_accuracy"].value == np.mean(right), (name, level)
    under_less_light = [found["less_light", level].scores for level in range(1, 6)]
    assert [scores["balanced_accuracy"].value for scores in under_less_light] == [1, 1, 0.5, 0.5, 0.5]
    assert card.cells == 12
    assert card.note is None


def test_unchanged_is_what_an_evaluation_says(tiny_model: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows: list[dict[str, str | None]] = []
    for place in range(12):
        Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / f"{place}.png")
        label = ("all", "hem")[place % 2]
        rows.append({"path": str(tmp_path / f"{place}.png"), "label": label, "subject": f"S{place % 6}"})
    manifest, model = manifest_of(rows), load(tiny_model, device="cpu")
    card = measure_corruptions([(model, manifest)], replicates=50)
    table = model.predict([row["path"] or "" for row in rows]).assign(
        label=[row["label"] for row in rows], subject=[row["subject"] for row in rows]
    )
    expected = evaluate_predictions(table, blast_class="all", replicates=50).vote
    for metric in METRICS:
        one, other = (scores[metric] for scores in (card.uncorrupted, expected))
        assert one.reason == other.reason
        assert [one.value, one.low or 0, one.high or 0] == pytest.approx([other.value, other.low or 0, other.high or 0])
    assert measure_corruptions([(model, manifest)], replicates=50) == card


def test_each_cell_is_read_once_and_predicted_in_bounded_batches(by_colour: Runtime, tmp_path: Path) -> None:
    manifest = write_cells(tmp_path, {"all": (60, 60, 60), "hem": (160, 160, 160)}, each=1)
    measure_corruptions([(Model(by_colour), manifest)], replicates=10)
    batches: list[int] = by_colour.batches  # type: ignore[attr-defined]
    assert sum(batches) == 4 * (1 + len(STEPS))
    assert max(batches) <= 32


def test_a_draw_and_unreadable_cells_are_stated(by_colour: Runtime, tmp_path: Path) -> None:
    manifest = write_cells(tmp_path, {"all": (60, 60, 60), "hem": (160, 160, 160)})
    (tmp_path / "all0.png").write_bytes(b"no picture")
    unlabelled = {"path": str(tmp_path / "all1.png"), "label": None}
    table = pd.concat([manifest.table, pd.DataFrame([unlabelled]).reindex(columns=COLUMNS)], ignore_index=True)
    card = measure_corruptions([(Model(by_colour), manifest.with_table(table))], replicates=20)
    assert card.cells == 11
    assert card.note == "1 of them could not be read and were left out"
    drawn = measure_corruptions([(Model(by_colour), write_cells(tmp_path, {"all": (9, 9, 9)}))], replicates=20, cells=4)
    assert drawn.cells == 4
    assert drawn.note is not None
    assert drawn.note.startswith("4 of 6 cells")
    assert drawn.uncorrupted["balanced_accuracy"].reason == "no cell is labelled hem"


def test_what_cannot_be_measured_is_refused(by_colour: Runtime, tmp_path: Path) -> None:
    other = write_cells(tmp_path, {"monocyte": (60, 60, 60)})
    with pytest.raises(LymphoscopeError, match="'monocyte' of the data is not one of the model's: all, hem"):
        measure_corruptions([(Model(by_colour), other)])
    with pytest.raises(LymphoscopeError, match="no labelled rows"):
        measure_corruptions([(Model(by_colour), manifest_of([{"path": "/nowhere.png", "label": None}]))])
    with pytest.raises(LymphoscopeError, match="none of 1 cells can be read"):
        measure_corruptions(
            [(Model(by_colour), manifest_of([{"path": str(tmp_path / "nowhere.png"), "label": "all"}]))]
        )
