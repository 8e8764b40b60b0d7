"""A model is fitted on calibration subjects, and then refers faulty images for the right reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageFilter

from lymphoscope.data import Manifest, read_source
from lymphoscope.evaluation import mean_of_streams, read_predictions
from lymphoscope.inference import load, predict_manifest
from lymphoscope.model_file import (
    Architecture,
    Description,
    Preprocessing,
    build_network,
    load_description,
    resolve_model,
    save_model,
)
from lymphoscope.referral import ReferralOptions, calibrated
from lymphoscope.runs import fit_on_held_out_predictions, fit_on_validation_cells
from lymphoscope.synthetic import synthesize
from lymphoscope.training.recipe import Recipe

pytestmark = pytest.mark.slow

SIDE = 150
REAL = Path(__file__).parents[3] / "shared" / "data"


def split_of(manifest: Manifest) -> Manifest:
    """Four subjects of each class train, one of each validates, one of each is new."""
    rank = manifest.table.groupby("label")["subject"].rank("dense")
    parts = rank.map(lambda place: "train" if place <= 4 else "validation" if place == 5 else "test")
    return Manifest(manifest.table.assign(split=parts), "synthetic")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("synthetic")
    return split_of(synthesize(folder, subjects=12, cells_per_subject=10, fields=0, faults=False, size=SIDE))


@pytest.fixture(scope="module")
def folder(cells: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model with fresh weights: what it thinks is nothing, what is fitted on it is real."""
    torch.manual_seed(0)
    description = Description(
        name="fresh",
        architecture=Architecture(backbone="test_resnet", num_maps=4),
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="center_crop", crop=120, size=96, mean=(0.5,) * 3, std=(0.2,) * 3),
    )
    folder = tmp_path_factory.mktemp("model")
    save_model(build_network(description.architecture, 2).eval(), description, folder)
    fit_on_validation_cells(Recipe(), cells, folder)
    return folder


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(4)))


def lit(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.clip(pixels * factor, 0, 255).astype(np.uint8)


def green(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, :, [1, 0, 2]])


def halved(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, : SIDE // 2 + 10])


def foreign(pixels: np.ndarray) -> np.ndarray:
    """A tissue of stripes in the cell's colours: sharp, lit and stained as usual, and no cell."""
    stripes = np.random.default_rng(0).integers(0, 256, (SIDE, 1, 1))
    return np.broadcast_to(stripes, pixels.shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (blurred, "out of focus"),
        (lit(2.2), "over-exposed"),
        (lit(0.35), "under-exposed"),
        (green, "unusual colour"),
        (halved, "cut off"),
        (foreign, "unlike the training cells"),
    ],
)
def test_faulty_images_are_referred_for_their_fault(
    cells: Manifest, folder: Path, tmp_path: Path, spoiled: Callable[[np.ndarray], np.ndarray], reason: str
) -> None:
    good = cells.table.loc[cells.table["split"] == "test", "path"].tolist()
    planted = [tmp_path / Path(path).name for path in good]
    for path, out in zip(good, planted, strict=True):
        Image.fromarray(spoiled(np.array(Image.open(path).convert("RGB")))).save(out)
    model = load(folder)
    found, usual = model.predict(planted), model.predict(good)
    assert len(found) == 20
    assert found["refer_reason"].str.contains(reason).sum() == 20
    assert usual["refer_reason"].fillna("").str.contains(reason).sum() <= 2


def test_scores_are_calibrated_and_ood_scores_are_columns(cells: Manifest, folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    out = tmp_path / "predictions.csv"
    predict_manifest(model, cells, out)
    table = read_predictions(out)
    found = model.description.calibration
    assert found is not None
    assert (found.cells, found.subjects) == (20, 2)
    plain = mean_of_streams(table, ("all", "hem"))
    np.testing.assert_allclose(table[["score_all", "score_hem"]], calibrated(plain, found.temperature), atol=1e-6)
    signals = [
        f"ood_{name}" for name in ("feature_distance", "class_distance", "blur", "cut_off", "exposure", "colour")
    ]
    assert list(table.columns[-7:]) == [*signals, "model_id"]
    known = table[(cells.table["split"] == "train").to_numpy()]
    assert ((known[signals] > 1).mean() <= 0.02).all()
    pd.testing.assert_frame_equal(model.predict(cells.table["path"].tolist()[:3])[signals], table[signals][:3])


def test_one_subject_per_class_promises_a_half_and_says_so(folder: Path) -> None:
    band = load_description(folder).referral.band
    assert band is not None
    assert (band.miss.rate, band.miss.subjects, band.miss.needed) == (0.5, 1, 99)
    assert (band.false_alarm.rate, band.false_alarm.needed) == (0.5, 19)


@pytest.mark.parametrize(
    ("keep", "epochs", "is_estimate"), [("best", 3, True), ("last", 3, False), ("last", 2, True), ("last", None, True)]
)
def test_a_promise_needs_subjects_that_did_not_choose_the_epoch(
    cells: Manifest, folder: Path, tmp_path: Path, keep: str, epochs: int | None, is_estimate: bool
) -> None:
    shutil.copytree(folder, tmp_path / "model")
    content = json.loads((folder / "model.json").read_text()) | {"trained_on": {"epochs": epochs}}
    (tmp_path / "model" / "model.json").write_text(json.dumps(content))
    recipe = Recipe.model_validate({"early_stopping": {"keep": keep}, "optimisation": {"epochs": 3}})
    band = fit_on_validation_cells(recipe, cells, tmp_path / "model").referral.band
    assert band is not None
    assert (band.estimate is not None) == is_estimate
    assert is_estimate == band.sentences()[0].startswith("Estimates, not promises: the calibration subjects also chose")


def test_ood_arrays_are_stored_beside_model_json(folder: Path, tmp_path: Path) -> None:
    described = json.loads((folder / "model.json").read_text())
    assert "arrays" not in described["referral"]["ood_reference"]
    assert len(described["referral"]["ood_reference"]["arrays_sha256"]) == 64
    again = load_description(folder).referral.ood_reference
    assert again is not None
    assert again.arrays is not None
    assert again.arrays.axes.shape[0] == len(again.arrays.centre)


def test_rules_that_are_left_out_refer_no_cell(cells: Manifest, folder: Path) -> None:
    off = Recipe(referral=ReferralOptions(rules=("blur",)))
    described = fit_on_validation_cells(off, cells, folder)
    assert described.referral.ood_reference is not None
    assert described.referral.rules == ("blur",)
    table = load(folder).predict(cells.table["path"].tolist()[:40])
    assert set(table["refer_reason"].dropna()) <= {"out of focus", "vote and score disagree"}
    fit_on_validation_cells(Recipe(), cells, folder)


def test_out_of_fold_predictions_give_an_estimate_and_keep_the_ood_reference(folder: Path) -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat([0, 1], 1500)
    blast = 1 / (1 + np.exp(-(np.where(truth == 0, 6.0, -6.0) + generator.normal(0, 2, 3000)) * 3))
    rows = {"label": np.array(["all", "hem"])[truth], "predicted": np.where(blast > 0.5, "all", "hem")}
    rows |= {"score_all": blast, "score_hem": 1 - blast, "subject": (np.arange(3000) // 30).astype(str)}
    rows |= {"path": [f"{number}.png" for number in range(3000)]}
    rows |= {f"{stream}_{name}": np.nan for stream in ("raw", "crop", "erase") for name in ("all", "hem")}
    before = load_description(folder).referral.ood_reference
    described = fit_on_held_out_predictions(Recipe(), pd.DataFrame(rows), folder, "cells of five folds")
    assert described.calibration is not None
    assert described.referral.band is not None
    assert described.calibration.how == "On cells of five folds."
    band = described.referral.band
    assert 0 < band.low <= band.high < 1
    assert (band.miss.subjects, band.miss.rate, band.miss.needed) == (50, 1 / 51, 99)
    assert "models of the folds" in str(band.estimate)
    assert described.referral.ood_reference is not None
    assert before is not None
    assert described.referral.ood_reference.arrays_sha256 == before.arrays_sha256


def test_a_class_without_inner_cells_leaves_the_scores_as_they_are(cells: Manifest, folder: Path) -> None:
    table = cells.table
    one_class = Manifest(table[(table["split"] == "train") | (table["label"] == "all")], "synthetic")
    described = fit_on_validation_cells(Recipe(), one_class, folder)
    assert (described.calibration, described.referral.band) == (None, None)
    assert described.referral.ood_reference is not None
    fit_on_validation_cells(Recipe(), cells, folder)


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_cells_of_the_barcelona_set_are_unlike_those_of_cnmc(tmp_path: Path) -> None:
    """Estimate: all of 112 are unlike the training cells; of C-NMC's own cells of inner subjects 0 of 41."""
    model = load(resolve_model(None))
    strangers = sorted((REAL / "pbc").glob("*/*.jpg"))[::56]
    found = model.predict(strangers)
    assert len(found) == len(strangers) >= 40
    assert found["refer_reason"].str.contains("unlike the training cells").all()
    manifest = read_source(f"cnmc:{REAL / 'cnmc'}")
    inner = manifest.table["subject"].isin(model.description.trained_on["subjects"]["validation"])
    own = model.predict(manifest.table.loc[inner, "path"].tolist())
    assert own["refer_reason"].fillna("").str.contains("unlike the training cells").mean() <= 0.05
