"""The scores under corruptions, on any runtime: as an evaluation computes them, with significant drops marked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lymphoscope.data import COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import METRICS, Outcomes, as_predictions, compare_predictions, evaluate_predictions
from lymphoscope.inference import Model, Runtime, load
from lymphoscope.robustness import CORRUPTIONS, LEVELS, corrupt_image, measure_corruptions
from lymphoscope.robustness.corruption_scores import CorruptedOutcomes, score_corruptions

SIDE = 40
STEPS = [(name, level) for name in CORRUPTIONS for level in range(1, LEVELS + 1)]

CLASSES = ("all", "hem")
SUBJECTS = [f"S{index // 10}" for index in range(200)]
TRUTH = np.arange(200) // 10 % 2


def random_outcomes(error_rate: float, seed: int = 0) -> Outcomes:
    """Predictions of which a fraction `error_rate` is wrong."""
    generator = np.random.default_rng(seed)
    predicted = np.where(generator.random(200) < error_rate, 1 - TRUTH, TRUTH)
    confidence = generator.uniform(0.5, 1, 200)
    scores = np.where(predicted[:, None] == [0, 1], confidence[:, None], 1 - confidence[:, None])
    return Outcomes(TRUTH, predicted, scores, CLASSES, 0)


def as_table(outcomes: Outcomes) -> pd.DataFrame:
    names = np.array(CLASSES)
    table = pd.DataFrame(
        {"path": [f"/{index:03d}.png" for index in range(200)], "subject": SUBJECTS, "label": names[outcomes.truth]}
    )
    table["predicted"] = names[outcomes.predicted]
    table["raw_vote"] = table["predicted"]
    for index, name in enumerate(CLASSES):
        table[f"score_{name}"] = table[f"raw_{name}"] = outcomes.scores[:, index]
    return as_predictions(table.assign(agreement=1.0, refer=False), list(CLASSES))


def manifest_of(rows: list[dict[str, str | None]]) -> Manifest:
    return Manifest(pd.DataFrame(rows).reindex(columns=COLUMNS), "table")


def write_cells(folder: Path, values: dict[str, tuple[int, int, int]], per_subject: int = 3) -> Manifest:
    """Uniform cells, one colour per class: two subjects per class, `per_subject` cells per subject."""
    rows: list[dict[str, str | None]] = []
    for label, colour in values.items():
        for index in range(2 * per_subject):
            path = folder / f"{label}{index}.png"
            Image.new("RGB", (SIDE, SIDE), colour).save(path)
            rows.append({"path": str(path), "label": label, "subject": f"{label}-{index // per_subject}"})
    return manifest_of(rows)


def test_brightness_classifier_fails_where_light_is_lost(by_colour: Runtime, tmp_path: Path) -> None:
    # The runtime predicts the second class above 127, so grey 160 withstands up to 20 % less light.
    manifest = write_cells(tmp_path, {"all": (60, 60, 60), "hem": (160, 160, 160)})
    result = measure_corruptions([(Model(by_colour), manifest)], replicates=100)
    steps = {(step.corruption, step.level): step for step in result.steps}
    assert [*steps] == STEPS
    assert result.uncorrupted["balanced_accuracy"].value == 1
    for (name, level), step in steps.items():
        first, second = (corrupt_image(np.full((SIDE, SIDE, 3), grey, np.uint8), name, level) for grey in (60, 160))
        correct = [np.median(first) < 127.5, np.median(second) > 127.5]
        if not name.startswith("stain") and not (name == "noise" and level > 3):
            assert step.scores["balanced_accuracy"].value == np.mean(correct), (name, level)
    assert [steps["less_light", level].scores["balanced_accuracy"].value for level in range(1, 6)] == [
        1,
        1,
        0.5,
        0.5,
        0.5,
    ]
    assert result.cells == 12
    assert result.note is None


@pytest.mark.slow
def test_uncorrupted_scores_equal_an_evaluation(tiny_model: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows: list[dict[str, str | None]] = []
    for index in range(12):
        Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / f"{index}.png")
        label = ("all", "hem")[index % 2]
        rows.append({"path": str(tmp_path / f"{index}.png"), "label": label, "subject": f"S{index % 6}"})
    manifest, model = manifest_of(rows), load(tiny_model, device="cpu")
    result = measure_corruptions([(model, manifest)], replicates=50)
    table = model.predict([row["path"] or "" for row in rows]).assign(
        label=[row["label"] for row in rows], subject=[row["subject"] for row in rows]
    )
    expected = evaluate_predictions(table, blast_class="all", replicates=50).vote
    for metric in METRICS:
        one, other = (scores[metric] for scores in (result.uncorrupted, expected))
        assert one.reason == other.reason
        assert [one.value, one.low or 0, one.high or 0] == pytest.approx([other.value, other.low or 0, other.high or 0])
    assert measure_corruptions([(model, manifest)], replicates=50) == result


def test_batches_are_bounded(by_colour: Runtime, tmp_path: Path) -> None:
    manifest = write_cells(tmp_path, {"all": (60, 60, 60), "hem": (160, 160, 160)}, per_subject=1)
    measure_corruptions([(Model(by_colour), manifest)], replicates=10)
    batches: list[int] = by_colour.batches  # type: ignore[attr-defined]
    assert sum(batches) == 4 * (1 + len(STEPS))
    assert max(batches) <= 32


def test_note_states_sample_and_unreadable_cells(by_colour: Runtime, tmp_path: Path) -> None:
    manifest = write_cells(tmp_path, {"all": (60, 60, 60), "hem": (160, 160, 160)})
    (tmp_path / "all0.png").write_bytes(b"no image")
    unlabelled = {"path": str(tmp_path / "all1.png"), "label": None}
    table = pd.concat([manifest.table, pd.DataFrame([unlabelled]).reindex(columns=COLUMNS)], ignore_index=True)
    result = measure_corruptions([(Model(by_colour), manifest.with_table(table))], replicates=20)
    assert result.cells == 11
    assert result.note == "1 of them could not be read and were left out"
    sample = measure_corruptions(
        [(Model(by_colour), write_cells(tmp_path, {"all": (9, 9, 9)}))], replicates=20, max_cells=4
    )
    assert sample.cells == 4
    assert sample.note is not None
    assert sample.note.startswith("4 of 6 cells")
    assert sample.uncorrupted["balanced_accuracy"].reason == "no cell is labelled hem"


def test_unknown_labels_no_labels_and_no_readable_cell_are_errors(by_colour: Runtime, tmp_path: Path) -> None:
    other = write_cells(tmp_path, {"monocyte": (60, 60, 60)})
    with pytest.raises(LymphoscopeError, match="'monocyte' of the data is not one of the model's: all, hem"):
        measure_corruptions([(Model(by_colour), other)])
    with pytest.raises(LymphoscopeError, match="no labelled rows"):
        measure_corruptions([(Model(by_colour), manifest_of([{"path": "/nowhere.png", "label": None}]))])
    with pytest.raises(LymphoscopeError, match="none of 1 cell is readable"):
        measure_corruptions(
            [(Model(by_colour), manifest_of([{"path": str(tmp_path / "nowhere.png"), "label": "all"}]))]
        )


def test_significant_drop_is_marked_and_chance_is_not() -> None:
    uncorrupted = random_outcomes(0.05)
    steps = [
        CorruptedOutcomes("blur", 1, "sigma 1 px", random_outcomes(0.05, seed=1)),
        CorruptedOutcomes("blur", 2, "sigma 2 px", random_outcomes(0.3, seed=2)),
        CorruptedOutcomes("blur", 3, "sigma 3 px", random_outcomes(0.0, seed=3)),
    ]
    result = score_corruptions(SUBJECTS, uncorrupted, steps, replicates=500, note="a sample")
    assert [step.significant_drop for step in result.steps] == [False, True, False]
    assert [(step.corruption, step.level, step.amount) for step in result.steps][1] == ("blur", 2, "sigma 2 px")
    assert (result.cells, result.note) == (200, "a sample")


def test_scores_equal_scikit_learn_and_an_evaluation() -> None:
    corrupted = random_outcomes(0.3, seed=2)
    result = score_corruptions(
        SUBJECTS, random_outcomes(0.05), [CorruptedOutcomes("jpeg", 1, "", corrupted)], replicates=200, seed=4
    )
    scores = result.steps[0].scores
    assert scores["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(TRUTH, corrupted.predicted))
    assert scores["auc"].value == pytest.approx(roc_auc_score(TRUTH, corrupted.scores[:, 1]))
    metrics = evaluate_predictions(as_table(corrupted), blast_class="all", replicates=200, seed=4)
    assert scores["accuracy"] == metrics.vote["accuracy"]
    assert scores["sensitivity"] == metrics.vote["sensitivity"]


@pytest.mark.parametrize("error_rate", [0.06, 0.1, 0.14])
def test_significant_drop_agrees_with_the_paired_comparison(error_rate: float) -> None:
    uncorrupted, corrupted = random_outcomes(0.05), random_outcomes(error_rate, seed=7)
    comparison = compare_predictions(as_table(corrupted), as_table(uncorrupted), blast_class="all", replicates=400)
    high = comparison.differences["balanced_accuracy"].high
    result = score_corruptions(SUBJECTS, uncorrupted, [CorruptedOutcomes("noise", 1, "", corrupted)], replicates=400)
    assert high is not None
    assert result.steps[0].significant_drop == (high < 0)


def test_nothing_drops_if_a_class_is_absent() -> None:
    one = Outcomes(np.zeros(20, dtype=int), np.zeros(20, dtype=int), np.tile([1.0, 0.0], (20, 1)), CLASSES, 0)
    result = score_corruptions(
        [f"S{index}" for index in range(20)], one, [CorruptedOutcomes("blur", 1, "", one)], replicates=50
    )
    assert result.steps[0].scores["balanced_accuracy"].reason == "no cell is labelled hem"
    assert not result.steps[0].significant_drop
