"""The functions that the package offers in Python, which do what the commands of the same names do."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lymphoscope
from lymphoscope import LymphoscopeError
from lymphoscope.cli.main import run
from lymphoscope.data import Manifest

SUBJECT = r"(?P<subject>S\d+)_"
PUBLIC = [
    "LymphoscopeError",
    "Model",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "load",
    "score",
    "smear",
    "split",
    "stress",
    "synthesize",
    "train",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_manifest: Manifest, tiny: tuple[str, ...]) -> Path:
    """A run on a table in memory."""
    folder = tmp_path_factory.mktemp("api") / "run"
    lymphoscope.train(tiny_manifest.table, folder, overrides=(*tiny, "optimisation.epochs=1"))
    return folder


def test_the_package_lists_only_its_public_names() -> None:
    assert dir(lymphoscope) == lymphoscope.__all__ == PUBLIC


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import lymphoscope, sys; print([name for name in ('numpy', 'pandas', 'torch', 'PIL') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert answer.stdout.strip() == "[]"


def test_split_takes_a_table_and_keeps_subjects_together(tiny_manifest: Manifest) -> None:
    parts = lymphoscope.split(tiny_manifest.table.drop(columns="split"), test=0.3, seed=1).table
    assert set(parts["split"]) == {"train", "validation", "test"}
    assert (parts.groupby("subject")["split"].nunique() == 1).all()


@pytest.mark.slow
def test_audit_takes_a_folder_or_a_table(tiny_folder: Path, tiny_manifest: Manifest) -> None:
    for cells in (tiny_folder, tiny_manifest.table):
        report = lymphoscope.audit(cells, expected_size=(32, 32))
        assert json.loads(report.to_json())["cells"] == 60


@pytest.mark.slow
def test_evaluate_without_out_gives_the_metrics_of_the_command(
    trained: Path, tiny_manifest: Manifest, tmp_path: Path
) -> None:
    metrics = lymphoscope.evaluate(trained / "model", tiny_manifest.table, replicates=100)
    command = ["evaluate", str(trained / "model"), "--data", str(trained / "manifest.parquet")]
    assert run([*command, "--replicates", "100", "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics.vote.model_dump(mode="json") == written["vote"]


@pytest.mark.slow
def test_score_and_compare_take_predictions(trained: Path) -> None:
    predictions = trained / "predictions.parquet"
    metrics = lymphoscope.score(predictions, held_out=True, replicates=100)
    assert metrics.cells == len(pd.read_parquet(predictions))
    comparison = lymphoscope.compare(predictions, pd.read_parquet(predictions), blast_class="all")
    assert comparison.cells == metrics.evaluated


def test_errors_are_one_line_and_of_the_public_class(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no column `path`"):
        lymphoscope.audit(pd.DataFrame({"file": ["a.png"]}))
    with pytest.raises(LymphoscopeError, match="subject_pattern is for folders"):
        lymphoscope.audit(pd.DataFrame({"path": ["a.png"]}), subject_pattern=SUBJECT)
    with pytest.raises(LymphoscopeError, match="add the labelled cells with --data"):
        lymphoscope.evaluate(tmp_path)


def test_load_gives_a_model_that_predicts_files(tiny_model: Path, tiny_manifest: Manifest) -> None:
    table = lymphoscope.load(tiny_model, runtime="torch").predict(tiny_manifest.table["path"].tolist()[:3])
    assert len(table) == 3
    assert np.isfinite(table["score_all"]).all()


@pytest.mark.slow
def test_smear_can_be_called_whether_or_not_its_package_was_imported() -> None:
    for first in ("from lymphoscope import smear", "import lymphoscope.smear; from lymphoscope import smear"):
        code = f"""
{first}
try:
    smear(None, [], "out")
except Exception as error:
    print(type(error).__name__, error)
"""
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
        assert answer.stdout.startswith("LymphoscopeError no fields given")
