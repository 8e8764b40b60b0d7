"""Subjects that may be spellings of one name are refused before any work, also where a table brings its own split."""

from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.api import evaluate
from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.runs import RunFolder, begin_run

ONE_PERSON = {"S0": "P01", "S8": "p1"}


@pytest.fixture
def table(tiny_manifest: Manifest) -> pd.DataFrame:
    """Cells with a split of their own; one person is in training and in test, in two spellings."""
    return tiny_manifest.table.assign(subject=tiny_manifest.table["subject"].replace(ONE_PERSON))


def test_training_on_a_table_with_its_own_split_is_refused(
    table: pd.DataFrame, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(LymphoscopeError, match="subject 'P01' and 'p1' may be the same subject"):
        begin_run(RunFolder(tmp_path / "run"), Manifest(table, "table"), "quick", tiny)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_labels_in_two_spellings_are_refused(tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path) -> None:
    table = tiny_manifest.table
    labels = table["label"].where(table["subject"] != "S2", "ALL")
    with pytest.raises(LymphoscopeError, match="label 'ALL' and 'all' may be the same label"):
        begin_run(RunFolder(tmp_path / "run"), Manifest(table.assign(label=labels), "table"), "quick", tiny)


def test_evaluation_is_refused_and_writes_no_predictions(table: pd.DataFrame, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="may be the same subject"):
        evaluate(tiny_model, Manifest(table, "table"), out=tmp_path / "out", part="all", replicates=100)
    assert not list(tmp_path.rglob("predictions*"))
