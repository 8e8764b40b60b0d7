"""The error curves: they watch, and change nothing."""

from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data import Manifest
from lymphoscope.inference import load
from lymphoscope.training import load_recipe, train

KEPT_LAST = ("optimisation.epochs=2", "early_stopping.keep=last")


def test_they_have_the_error_of_each_epoch_and_choose_nothing(
    tmp_path: Path, tiny: tuple[str, ...], tiny_manifest: Manifest
) -> None:
    plain = load_recipe("quick", [*tiny, *KEPT_LAST])
    watched = load_recipe("quick", [*tiny, *KEPT_LAST, "error_curves=true"])
    without = train(plain, tiny_manifest, tmp_path / "without")
    with_curves = train(watched, tiny_manifest, tmp_path / "with")
    assert without.weights_sha256 == with_curves.weights_sha256
    assert not (tmp_path / "without" / "errors.csv").exists()

    errors = pd.read_csv(tmp_path / "with" / "errors.csv")
    assert errors["epoch"].tolist() == [1, 2]
    table = tiny_manifest.table
    for part in ("train", "test"):
        cells = table[table["split"] == part]
        predicted = load(tmp_path / "with" / "model").predict(cells["path"].tolist())["predicted"]
        wrong = (predicted.to_numpy() != cells["label"].to_numpy()).mean()
        assert errors[f"{part}_error"].iloc[-1] == pytest.approx(wrong)
