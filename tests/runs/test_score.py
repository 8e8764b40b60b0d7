"""`score` needs a table of predictions and nothing else, so it loads nothing of images, networks or the leak search."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.cli.main import run
from lymphoscope.model_file import load_description, shipped_models
from lymphoscope.reports.registry import report_sections

NOT_NEEDED = (
    "lymphoscope.data.images",
    "lymphoscope.data.similarity",
    "lymphoscope.inference",
    "lymphoscope.model_file",
    "lymphoscope.robustness",
    "lymphoscope.runs.leak_guard",
)


def predictions(subjects: int = 6) -> pd.DataFrame:
    """Two cells of each of some subjects; every fifth is wrong, and wrong cells are referred."""
    rows = []
    for number in range(2 * subjects):
        label = "all" if number % 4 < 2 else "hem"
        wrong = number % 5 == 0
        predicted = ("hem" if label == "all" else "all") if wrong else label
        score = {"all": 0.9, "hem": 0.1} if predicted == "all" else {"all": 0.1, "hem": 0.9}
        streams = {f"{stream}_{name}": score[name] for stream in ("raw", "crop", "erase") for name in score}
        rows.append(
            {"path": f"{number}.png", "subject": f"S{number // 2}", "slide": None, "label": label}
            | {"predicted": predicted, "score_all": score["all"], "score_hem": score["hem"]}
            | streams
            | {f"{stream}_vote": predicted for stream in ("raw", "crop", "erase")}
            | {"agreement": 1.0, "box_top": None, "box_left": None, "box_bottom": None, "box_right": None}
            | {"refer": wrong, "refer_reason": "out of focus" if wrong else "", "error": None}
        )
    return pd.DataFrame(rows)


MOST_MODULES = 81
MOST_WITHOUT_FACES = 70
SECTIONS = 15
"""Modules that `score` may load, with and without the `__init__` files of packages; each report section adds one."""


def score_in_a_new_process(folder: Path, table: pd.DataFrame) -> list[str]:
    """Score a table on the command line; return the modules that were loaded, and check that they are not too many."""
    table.to_csv(folder / "predictions.csv", index=False)
    code = """
import json, sys
from lymphoscope.cli.main import run
status = run(["score", "predictions.csv", "--out", "scored", "--replicates", "100"])
modules = {name: module for name, module in sys.modules.items() if name.startswith("lymphoscope")}
faces = [name for name, module in modules.items() if hasattr(module, "__path__")]
print(json.dumps([status, faces, sorted(modules.keys() - set(faces))]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=600, check=True
    )
    status, faces, modules = json.loads(answer.stdout.splitlines()[-1])
    assert status == 0, answer.stderr
    new_sections = len(report_sections()) - SECTIONS
    assert len(modules) <= MOST_WITHOUT_FACES + new_sections, modules
    assert len(faces) + len(modules) <= MOST_MODULES + new_sections, faces + modules
    return list(modules)


@pytest.mark.slow
def test_score_loads_only_what_metrics_and_a_report_need(tmp_path: Path) -> None:
    loaded = score_in_a_new_process(tmp_path, predictions())
    assert [name for name in loaded if name.startswith(NOT_NEEDED)] == []
    assert json.loads((tmp_path / "scored" / "metrics.json").read_text(encoding="utf-8"))["evaluated"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_models())
def test_predictions_of_a_shipped_model_are_compared_by_subject_without_its_schema(tmp_path: Path, name: str) -> None:
    description = load_description(shipped_models()[name])
    table = predictions().assign(model_id=description.model_id)
    subjects = description.trained_on["subjects"]["validation"][:1]
    table.loc[:2, "subject"] = subjects[0] if subjects else "S0"
    loaded = score_in_a_new_process(tmp_path, table)
    leakage = json.loads((tmp_path / "scored" / "metrics.json").read_text(encoding="utf-8"))["leakage"]
    assert leakage["checked"] == (["subjects"] if subjects else [])
    assert leakage["leaking_cells"] == (3 if subjects else 0)
    assert "lymphoscope.model_file.description" not in loaded


@pytest.mark.slow
def test_a_summary_without_intervals_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions(3).to_csv(tmp_path / "predictions.csv", index=False)
    assert run(["score", str(tmp_path / "predictions.csv"), "--out", str(tmp_path / "scored")]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("no intervals: only one subject of class hem, an interval over subjects needs two")
