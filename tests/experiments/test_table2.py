"""The submission file in the format that participants of the challenge sent."""

import csv
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.experiments import Limits, Request, reproduce
from lymphoscope.experiments.table2 import write_submission


def test_the_submission_has_one_line_per_cell_and_1_for_malignant(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["1.bmp", "2.bmp", "3.bmp"], "predicted": ["all", "hem", None]})
    archive = write_submission(table, "all", tmp_path)
    assert (tmp_path / "isbi_valid.predict").read_text() == "1\n0\n0\n"
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["isbi_valid.predict"]
        assert opened.read("isbi_valid.predict") == b"1\n0\n0\n"


def official_tree(root: Path) -> Path:
    """Three phases in the official folders; malignant cells are red."""
    generator = np.random.default_rng(0)

    def write(path: Path, label: str) -> None:
        pixels = generator.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        pixels[8:24, 8:24, 0 if label == "all" else 2] += 150
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)

    for label, mark in (("all", ""), ("hem", "H")):
        for subject in range(1, 7):
            for cell in range(4):
                name = f"UID_{mark}{subject}_1_{cell}_{label}.png"
                write(root / "C-NMC_training_data" / "fold_0" / label / name, label)
    rows = []
    for number in range(1, 13):
        label = ("all", "hem")[number % 2]
        subject = f"{'H' if label == 'hem' else ''}{60 + number % 4}"
        write(root / "C-NMC_test_prelim_phase_data" / f"{number}.png", label)
        rows.append([f"UID_{subject}_1_{number}_{label}.bmp", f"{number}.bmp", int(label == "all")])
        write(root / "C-NMC_test_final_phase_data" / f"{number}.png", label)
    with (root / "C-NMC_test_prelim_phase_data_labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["Patient_ID", "new_names", "labels"], *rows])
    return root


@pytest.mark.slow
def test_with_all_phases_the_second_is_scored_and_the_third_is_submitted(tmp_path: Path, tiny: tuple[str, ...]) -> None:
    limits = Limits(epochs=1, overrides=(*tiny, "optimisation.epochs=1", "fix_res.size=40", "fix_res.epochs=1"))
    data = f"cnmc:{official_tree(tmp_path / 'cnmc')}"
    only = ("offline_random", "final_random")
    result, _ = reproduce(Request("table2", data, tmp_path / "out", limits, only=only))
    offline, final = result.rows
    assert offline.ours["test_cells"].value == 12
    assert "inner holdout" not in offline.name + final.name
    assert final.ours["weighted_f1"].value is None
    assert final.ours["weighted_f1"].reason == "the test cells have no labels here"
    assert [line.partition(":")[0] for line in result.missing] == ["The score on Phase-III"]

    folder = tmp_path / "out" / "runs" / "final_random"
    predicted = pd.read_parquet(folder / "phase_3.parquet")
    assert [Path(path).stem for path in predicted["path"]] == [str(number) for number in range(1, 13)]
    lines = (folder / "isbi_valid.predict").read_text().split()
    assert lines == [str(int(name == "all")) for name in predicted["predicted"]]
    assert any("12 cells of Phase-III in runs/final_random/submission.zip" in fact for fact in result.facts)
    assert [run.state for run in result.runs] == ["done", "done"]
