"""A network that rounds has its own OOD reference: without it, it refers familiar cells that float32 does not refer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.cli.main import run
from lymphoscope.data import read_source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.export import SampleCells
from lymphoscope.export.feature_reference import check_reference_cells, measure_feature_reference
from lymphoscope.inference import load
from lymphoscope.model_file import Description, load_description, record_referral
from lymphoscope.referral import (
    FeatureCells,
    FeatureReference,
    OodReference,
    Referral,
    class_distance,
    feature_distance,
    fit_to_held_out,
)
from lymphoscope.runs.referral_fitting import fit_ood_reference, measure_cells

SUBJECTS = 20
TRAIN, VALIDATION = [f"S{number}" for number in range(16)], [f"S{number}" for number in range(16, SUBJECTS)]


def sample(count: int, seed: int) -> SampleCells:
    """Cells of two classes and SUBJECTS subjects; one has red and the other has blue cells, of various sizes."""
    generator = np.random.default_rng(seed)
    kinds = np.arange(count) % 2
    pixels = generator.normal(100, 12, (count, 8, 8, 3))
    pixels[np.arange(count), :, :, 2 * kinds] += generator.normal(60, 10, (count, 1, 1))
    names = [f"S{(number // 2) % SUBJECTS}" for number in range(count)]
    labels = [("all", "hem")[kind] for kind in kinds]
    return SampleCells(pixels.clip(0, 255).astype(np.uint8), f"{count} cells of here", tuple(labels), tuple(names))


class Rounding:
    """A network in NumPy, whose features a step rounds; with a large one they move by more than the cells differ."""

    def __init__(self, description: Description, step: float) -> None:
        self.description, self._step = description, step
        self._weights = np.random.default_rng(0).normal(size=(192, 24)).astype(np.float32)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        exact = pixels.reshape(len(pixels), -1).astype(np.float32) @ self._weights
        return exact if not self._step else np.asarray(np.floor(exact / self._step) * self._step, np.float32)


@pytest.fixture
def trained(description: Description, ood_reference: OodReference) -> Description:
    """A description whose reference is that of the network without rounding, and its training subjects."""
    cells = sample(400, 0)
    exact = Rounding(description, 0).features(cells.pixels)
    held_out = np.array([name in VALIDATION for name in cells.subjects])
    measured = cells_as_seen(cells, exact)
    features = fit_to_held_out(measured[~held_out], measured[held_out], 0.99, "float32")
    reference = ood_reference.model_copy(update=dict(features))
    referral = Referral(ood_reference=reference)
    subjects = {"train": TRAIN, "validation": VALIDATION, "test": []}
    return description.model_copy(update={"referral": referral, "trained_on": {"subjects": subjects}})


def cells_as_seen(cells: SampleCells, features: NDArray[np.float32]) -> FeatureCells:
    return FeatureCells(features, np.array(cells.labels, dtype=object), np.array(cells.subjects, dtype=object))


def beyond(features: NDArray[np.float32], reference: FeatureReference) -> tuple[float, float]:
    """The shares of cells beyond the limits."""
    assert reference.arrays is not None
    assert reference.feature_distance is not None
    assert reference.class_distance is not None
    far = feature_distance(features, reference.arrays) > reference.feature_distance
    strange = class_distance(features, reference.arrays) > reference.class_distance.high
    return float(far.mean()), float(strange.mean())


def own_reference(description: Description) -> OodReference:
    assert description.referral.ood_reference is not None
    return description.referral.ood_reference


@pytest.mark.parametrize("subjects", [True, False])
def test_a_network_that_rounds_refers_as_float32_does(trained: Description, subjects: bool) -> None:
    exact, rounding = Rounding(trained, 0), Rounding(trained, 500)
    cells, new = sample(400, 0), sample(1000, 1)
    if not subjects:
        cells = SampleCells(cells.pixels, cells.source, cells.labels)
    unlike = 255 - new.pixels
    before = own_reference(trained)
    made = measure_feature_reference(rounding, cells, before)  # type: ignore[arg-type]
    assert max(beyond(exact.features(new.pixels), before)) < 0.03
    assert max(beyond(rounding.features(new.pixels), before)) > 0.9  # what the reference of float32 does
    assert max(beyond(rounding.features(new.pixels), made)) < 0.05
    assert beyond(exact.features(unlike), before)[0] == beyond(rounding.features(unlike), made)[0] == 1
    assert ("validation subjects" in made.how) == subjects
    assert made.feature_distance_cells == (80 if subjects else 400)


def test_limits_are_those_of_the_validation_subjects_as_in_training(trained: Description) -> None:
    exact, cells = Rounding(trained, 0), sample(400, 0)
    made = measure_feature_reference(exact, cells, own_reference(trained))  # type: ignore[arg-type]
    before = own_reference(trained)
    assert made.feature_distance == pytest.approx(before.feature_distance, rel=1e-5)
    assert made.class_distance.high == pytest.approx(before.class_distance.high, rel=1e-4)  # type: ignore[union-attr]
    np.testing.assert_allclose(np.abs(made.arrays.axes), np.abs(before.arrays.axes), rtol=1e-3, atol=1e-6)  # type: ignore[union-attr]


def test_without_a_validation_subject_the_limits_are_cross_fitted(trained: Description) -> None:
    cells = sample(400, 0)
    keep = [index for index, name in enumerate(cells.subjects) if name != VALIDATION[0]]
    fewer = SampleCells(
        cells.pixels[keep],
        cells.source,
        tuple(cells.labels[index] for index in keep),
        tuple(cells.subjects[index] for index in keep),
    )
    made = measure_feature_reference(Rounding(trained, 0), fewer, own_reference(trained))  # type: ignore[arg-type]
    assert "cross-fitting" in made.how
    assert (made.feature_distance_cells, made.feature_distance_subjects) == (380, SUBJECTS - 1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([None] * 120, "they have no labels; give --calibration a source with labels"),
        (["all"] * 120, "none is of the class 'hem'"),
        (["all", "hem"] * 20 + [None] * 80, "40 labelled cells are fewer than 99"),
        (["all"], "none is of the class 'hem'"),
        (["all", "hem", "blast"] * 40, "class 'blast' of the data is not one of the model's: all, hem"),
    ],
)
def test_cells_that_cannot_show_the_training_cells_are_one_line(
    trained: Description, labels: list[str | None], message: str
) -> None:
    cells = SampleCells(np.zeros((len(labels), 8, 8, 3), np.uint8), "cells of here", tuple(labels))
    with pytest.raises(LymphoscopeError, match=message) as raised:
        check_reference_cells(cells, trained, own_reference(trained))
    assert "\n" not in str(raised.value)


def test_99_labelled_cells_are_enough(trained: Description) -> None:
    labels = (*["all", "hem"] * 49, "all", None)
    check_reference_cells(SampleCells(np.zeros((100, 8, 8, 3), np.uint8), "", labels), trained, own_reference(trained))


def write_cells(folder: Path, count: int, seed: int, *, inverted: bool = False) -> Path:
    """A folder per class, of cells that vary."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:64, :64]
    for number in range(count):
        name = ("all", "hem")[number % 2]
        image = generator.normal(40, 8, (64, 64, 3))
        disc = (rows - generator.normal(32, 2)) ** 2 + (columns - generator.normal(32, 2)) ** 2 < 18**2
        image[disc] += generator.normal([120, 60, 140] if name == "all" else [140, 70, 90], 8)
        pixels = (255 - image if inverted else image).clip(0, 255).astype(np.uint8)
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    return folder


def referred(model: Path, cells: Path, runtime: str, precision: str) -> float:
    """The share of the cells that are referred because of their features."""
    table = load(model, runtime=runtime, precision=precision, device="cpu").predict(cells)
    return float(table["refer_reason"].fillna("").str.contains("unlike").mean())


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("known"), 160, 0)


@pytest.fixture
def model(tiny_model: Path, known: Path, tmp_path: Path) -> Path:
    """A model that finds unusual cells by their features, with the reference of the network in float32."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    manifest = read_source(f"folders:{known}")
    part = np.where(np.arange(len(manifest)) % 4, "train", "validation")
    manifest = manifest.with_table(manifest.table.assign(split=part))
    opened = load(folder, runtime="torch", device="cpu")
    train, validation = (measure_cells(opened, manifest, name) for name in ("train", "validation"))
    reference = fit_ood_reference(train, validation, 0.99)
    rules = ("feature_distance", "class_distance")
    record_referral(folder, calibration=None, referral=Referral(ood_reference=reference, rules=rules))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "flags"),
    [("onnx", ["--int8"]), ("openvino", ["--int8"]), ("openvino", ["--precision", "bfloat16"])],
)
def test_an_export_that_rounds_refers_as_float32_does(
    model: Path, known: Path, tmp_path: Path, runtime: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    new, unlike = write_cells(tmp_path / "new", 100, 1), write_cells(tmp_path / "unlike", 40, 2, inverted=True)
    before = load_description(model)
    export = ["export", str(model), "--to", runtime, *flags, "--min-label-agreement", "0.5", "--json"]
    assert run([*export, "--calibration", f"folders:{known}"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["features"]["feature_distance_cells"] == 160
    assert "cross-fitting" in made["features"]["how"]
    after = load_description(model)
    assert after.model_id == before.model_id
    assert after.referral.model_dump() == before.referral.model_dump()
    precision = made["precision"]
    assert load(model, runtime=runtime, precision=precision).description.model_id == before.model_id
    assert referred(model, new, runtime, precision) < referred(model, new, "torch", "float32") + 0.05
    assert referred(model, unlike, runtime, precision) == referred(model, unlike, "torch", "float32") == 1


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["--to", "onnx", "--int8"], ["--to", "openvino", "--precision", "bfloat16"]])
def test_cells_without_labels_are_refused_before_anything_is_written(
    model: Path, known: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in model.iterdir())
    assert run(["export", str(model), *flags, "--calibration", str(known / "all")]) == 2
    error = capsys.readouterr().err
    assert "80 cells of all cannot show what the training cells look like: they have no labels" in error
    assert error.count("\n") == 1
    assert run(["export", str(model), *flags]) == 2
    assert "--calibration SRC" in capsys.readouterr().err
    assert sorted(path.name for path in model.iterdir()) == before
