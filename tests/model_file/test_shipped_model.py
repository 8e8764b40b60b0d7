"""The model that ships: small, attributed, evaluated by subject, and ready after an install."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope import load
from lymphoscope.model_file import load_description, model_card, resolve_model
from lymphoscope.synthetic import synthesize

REAL = Path(__file__).parents[3] / "shared" / "data" / "cnmc"
MOST_BYTES = 15_000_000


def test_the_folder_is_small_and_complete() -> None:
    files = list(resolve_model(None).iterdir())
    expected = [
        "README.md",
        "model.json",
        "network.int8.onnx",
        "network.onnx",
        "ood_reference.onnx.int8.safetensors",
        "ood_reference.safetensors",
        "weights.safetensors",
    ]
    assert sorted(path.name for path in files) == expected
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_limits_attribution_and_scores_are_documented() -> None:
    description = load_description(resolve_model(None))
    first = (resolve_model(None) / "README.md").read_text().splitlines()[0]
    assert description.limits
    assert first.startswith("**Limits.**")
    assert "Gupta" in str(description.attribution)
    assert description.scores["bootstrap"]["unit"] == "subject"
    assert description.scores["subjects"] == 34
    assert all(
        description.scores[name]["low"] <= description.scores[name]["value"] <= description.scores[name]["high"]
        for name in ("weighted_f1", "auc", "balanced_accuracy")
    )
    assert description.recipe["seed"] == 0


def test_scores_of_synthetic_cells_are_probabilities(tmp_path: Path) -> None:
    manifest = synthesize(tmp_path, subjects=8, cells_per_subject=1, fields=0, faults=False)
    table = load().predict(manifest.table["path"].tolist())
    scores = table[["score_all", "score_hem"]].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert table["error"].isna().all()
    assert set(table["predicted"]) <= {"all", "hem"}


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_training_cells_are_classified_better_than_chance() -> None:
    paths = sorted(REAL.glob("**/*_hem.png")) + sorted(REAL.glob("**/*_all.png"))[::5]
    labels = np.array([path.stem.rsplit("_", 1)[1] for path in paths])
    right = (load().predict(paths)["predicted"] == labels).to_numpy()
    # Each class by itself: always saying "all" would be right nine times in ten. No measure of new people.
    assert np.mean([right[labels == name].mean() for name in ("all", "hem")]) > 0.8


def test_int8_runs_without_torch_and_has_its_own_reference(tmp_path: Path) -> None:
    manifest = synthesize(tmp_path, subjects=2, cells_per_subject=1, fields=0, faults=False)
    model = load("blast", precision="int8", device="cpu", threads=1)
    assert model.runtime.options["runtime"] == "onnx"
    exact = load_description(resolve_model("blast"))
    (export,) = (one for one in exact.exports if one.precision == "int8")
    assert export.parity.labels >= 0.99
    assert export.parity.cells >= 300
    reference = model.description.referral.ood_reference
    assert reference is not None
    assert export.features is not None
    assert reference.features.feature_distance == export.features.feature_distance
    assert reference.features.arrays is not reference.arrays
    table = model.predict(manifest.table["path"].tolist())
    assert set(table["model_id"]) == {exact.model_id}
    assert table["ood_feature_distance"].notna().all()


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_int8_refers_as_many_training_cells_as_float32() -> None:
    paths = sorted(REAL.glob("**/*_hem.png")) + sorted(REAL.glob("**/*_all.png"))[::10]
    exact, int8 = (
        load("blast", runtime="onnx", precision=precision, threads=1).predict(paths)
        for precision in ("float32", "int8")
    )
    assert (exact["predicted"] == int8["predicted"]).mean() >= 0.97
    assert abs(exact["refer"].mean() - int8["refer"].mean()) < 0.06
    assert int8["refer_reason"].fillna("").str.contains("unlike").mean() < 0.03


@pytest.mark.slow
def test_a_prediction_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(generator.integers(0, 255, (300, 300, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    model = load(device="cpu")
    together = model.predict([tmp_path])
    alone = model.predict([tmp_path / "3.png"])
    np.testing.assert_allclose(together.loc[3, "score_all"], alone.loc[0, "score_all"], atol=1e-5)


def test_the_card_is_that_of_its_description() -> None:
    folder = resolve_model(None)
    assert (folder / "README.md").read_text(encoding="utf-8") == model_card(load_description(folder))
