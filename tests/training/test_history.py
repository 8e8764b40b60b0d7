"""The error curves."""

from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data import Manifest
from lymphoscope.inference import load
from lymphoscope.training import load_recipe, train_model

TWO_EPOCHS = ("optimisation.epochs=2", "early_stopping.keep=last")


@pytest.mark.slow
def test_error_curves_have_every_epoch_and_do_not_change_the_weights(
    tmp_path: Path, tiny: tuple[str, ...], tiny_manifest: Manifest
) -> None:
    plain = load_recipe("quick", [*tiny, *TWO_EPOCHS])
    watched = load_recipe("quick", [*tiny, *TWO_EPOCHS, "error_curves=true"])
    without = train_model(plain, tiny_manifest, tmp_path / "without")
    with_curves = train_model(watched, tiny_manifest, tmp_path / "with")
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
