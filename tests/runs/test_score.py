"""`score` needs a table of predictions and nothing else, so it loads nothing of images, networks or the leak search."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

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


def test_score_loads_only_what_metrics_and_a_report_need(tmp_path: Path) -> None:
    predictions().to_csv(tmp_path / "predictions.csv", index=False)
    code = f"""
import json, sys
from lymphoscope.cli.main import run
status = run(["score", "predictions.csv", "--out", "scored", "--replicates", "100"])
loaded = [name for name in sys.modules if name.startswith({NOT_NEEDED!r})]
print(json.dumps([status, sorted(loaded)]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(answer.stdout.splitlines()[-1]) == [0, []], answer.stderr
    assert json.loads((tmp_path / "scored" / "metrics.json").read_text(encoding="utf-8"))["evaluated"] == 12
