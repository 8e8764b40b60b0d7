"""The intervals of an old revision beside today's, for one table of predictions: the table of docs/evidence.md.

    python benchmarks/old_intervals.py predictions.parquet --blast-class all

The source of the old revision is taken from the repository's history and runs in a process of its own; a revision other
than the default one must have its functions.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lymphoscope.evaluation import METRICS, Metrics, evaluate_predictions, evaluate_subjects, read_predictions

REVISION = "e7fe3c5"
"""The last one whose intervals were plain bootstrap intervals over subjects."""

_OLD = """
import sys
from lymphoscope.evaluation import evaluate_predictions, read_predictions
from lymphoscope.evaluation.subject_level import subject_level
from pathlib import Path

table = read_predictions(Path(sys.argv[1]))
level = subject_level(table, blast_class=sys.argv[2])
metrics = evaluate_predictions(table, blast_class=sys.argv[2], subject_level=level)
print(metrics.model_dump_json())
"""


def old_metrics(predictions: Path, blast_class: str, revision: str) -> dict[str, Any]:
    """The metrics.json that the source of `revision` makes of these predictions."""
    source = ["git", "-C", str(Path(__file__).parents[1]), "archive", revision, "src"]
    archive = subprocess.run(source, check=True, capture_output=True).stdout  # noqa: S603
    command = [sys.executable, "-c", _OLD, str(predictions.resolve()), blast_class]
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
            tree.extractall(folder, filter="data")
        environment = os.environ | {"PYTHONPATH": str(Path(folder) / "src")}
        answer = subprocess.run(  # noqa: S603
            command, env=environment, cwd=folder, check=True, capture_output=True, text=True
        ).stdout
    found: dict[str, Any] = json.loads(answer)
    return found


def new_metrics(predictions: Path, blast_class: str) -> Metrics:
    """Today's metrics of the same table."""
    table = read_predictions(predictions)
    subjects = evaluate_subjects(table, blast_class=blast_class)
    return evaluate_predictions(table, blast_class=blast_class, subject_level=subjects)


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("predictions", type=Path, help="predictions of cells that no model was trained on")
    parser.add_argument("--blast-class", required=True, help="the positive class")
    parser.add_argument("--revision", default=REVISION, help="the old revision")
    options = parser.parse_args()
    old = old_metrics(options.predictions, options.blast_class, options.revision)
    new = new_metrics(options.predictions, options.blast_class).model_dump(mode="json")
    print(f"| number | {options.revision} | today, over cells | today, averaged over subjects |\n|---|---|---|---|")
    for title, before, now, mean in _rows(old, new):
        print(f"| {title} | {_text(before)} | {_text(now)} | {_text(mean)} |")
    for name, metrics in (("then", old), ("now", new)):
        sides = [subject["side"] for subject in metrics["subject_level"]["subjects"]]
        print(f"\nSubjects {name}: " + ", ".join(f"{sides.count(side)} {side}" for side in sorted(set(sides))), end="")
    print()


def _rows(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any, Any]]:
    """Title, old estimate, new one over cells and new one averaged over subjects; None where there is none."""
    scores = [
        (metric.title, old["vote"].get(name), new["vote"]["estimates"][name], new["subject_mean"]["estimates"][name])
        for name, metric in METRICS.items()
    ]
    before, now = old["calibration"]["as_predicted"], new["calibration"]["as_predicted"]
    errors = [(name.replace("_", " "), before.get(name), each, None) for name, each in now.items()]
    others = [
        ("accuracy of accepted cells", old["refer"]["kept_accuracy"], new["referral"]["accepted_accuracy"], None),
        (
            "blasts missed, not referred",
            old["refer"]["missed_blasts"],
            new["referral"]["missed_blasts"],
            new["referral"]["missed_blasts_of_subjects"],
        ),
        ("AUC of subjects by blast share", old["subject_level"]["auc"], new["subject_level"]["auc"], None),
    ]
    return [*scores, *errors, *others]


def _text(estimate: Mapping[str, float | None] | None) -> str:
    if estimate is None:
        return ""
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "none" if value is None else f"{value:.3f}, no interval"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
