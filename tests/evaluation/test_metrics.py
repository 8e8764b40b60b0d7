import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import metrics as reference

from lymphoscope.evaluation.metrics import METRICS, compute_metrics
from lymphoscope.evaluation.outcomes import Outcomes, WeightedOutcomes, Weights
from lymphoscope.evaluation.summary import constant_baselines


def make_outcomes(seed: int, cells: int, num_classes: int, *, ties: bool = False) -> Outcomes:
    generator = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(num_classes), generator.integers(0, num_classes, cells - num_classes)])
    scores = generator.dirichlet(np.ones(num_classes), cells)
    if ties:
        scores = np.eye(num_classes)[scores.argmax(axis=1)]
    names = tuple(f"c{kind}" for kind in range(num_classes))
    return Outcomes(truth, scores.argmax(axis=1), scores, names, positive_index=int(generator.integers(num_classes)))


def by_scikit_learn(outcomes: Outcomes, weights: np.ndarray) -> dict[str, float]:
    """The same numbers from cells written out as often as they weigh."""
    cells = outcomes.at(np.repeat(np.arange(len(weights)), weights))
    truth, predicted, scores = cells.truth, cells.predicted, cells.scores
    is_blast, predicted_blast = truth == cells.positive_index, predicted == cells.positive_index
    two = len(cells.classes) == 2
    return {
        "accuracy": reference.accuracy_score(truth, predicted),
        "weighted_f1": reference.f1_score(truth, predicted, average="weighted", zero_division=0),
        "auc": reference.roc_auc_score(is_blast, scores[:, cells.positive_index])
        if two
        else reference.roc_auc_score(truth, scores, multi_class="ovr", average="macro"),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, predicted),
        "sensitivity": reference.recall_score(is_blast, predicted_blast),
        "specificity": reference.recall_score(~is_blast, ~predicted_blast),
    }


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(8, 60), num_classes=st.integers(2, 8), ties=st.booleans())
@settings(deadline=None, max_examples=60)
def test_every_metric_equals_scikit_learn_on_cells_repeated_by_weight(
    seed: int, cells: int, num_classes: int, ties: bool
) -> None:
    outcomes = make_outcomes(seed, cells, num_classes, ties=ties)
    weights = np.random.default_rng(seed).integers(0, 4, (3, cells))
    weights[:, :num_classes] += 1  # every class is there
    measured = compute_metrics(outcomes, Weights.of_cells(weights.astype(float)))
    assert set(measured) == set(METRICS)
    for replicate in range(3):
        expected = by_scikit_learn(outcomes, weights[replicate])
        for name in METRICS:
            assert measured[name][replicate] == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name


@given(seed=st.integers(0, 2**32 - 1), num_classes=st.integers(2, 5))
@settings(deadline=None, max_examples=20)
def test_confusion_matrix_has_labels_in_rows(seed: int, num_classes: int) -> None:
    outcomes = make_outcomes(seed, 40, num_classes)
    matrix = WeightedOutcomes.unweighted(outcomes).confusions[0]
    expected = reference.confusion_matrix(outcomes.truth, outcomes.predicted, labels=range(num_classes))
    np.testing.assert_array_equal(matrix, expected)


def test_constant_baselines_equal_scikit_learn() -> None:
    truth = np.repeat([0, 1], [67, 33])
    outcomes = Outcomes(truth, truth, np.eye(2)[truth], ("all", "hem"), positive_index=0)
    scores = constant_baselines(outcomes)
    guess = {name: {metric: each.value for metric, each in of.estimates.items()} for name, of in scores.items()}
    assert guess["all"]["accuracy"] == 0.67
    # An always-malignant guess at a prevalence of 0.67 scores a WF1S of 53.7 and an AUC of 50.
    assert guess["all"]["weighted_f1"] == pytest.approx(
        reference.f1_score(truth, np.zeros(100), average="weighted", zero_division=0)
    )
    assert guess["all"]["weighted_f1"] == pytest.approx(0.537, abs=0.001)
    assert guess["all"]["auc"] == guess["hem"]["auc"] == guess["hem"]["balanced_accuracy"] == 0.5
    assert (guess["all"]["sensitivity"], guess["all"]["specificity"]) == (1, 0)
    assert (guess["hem"]["sensitivity"], guess["hem"]["specificity"]) == (0, 1)


@pytest.mark.parametrize(
    ("truth", "undefined"),
    [
        ([0, 0], {"auc": "no cell is labelled hem", "specificity": "every cell is labelled all"}),
        ([1, 1], {"auc": "no cell is labelled all", "sensitivity": "no cell is labelled all"}),
        ([], dict.fromkeys(METRICS, "no cell has both a label and a prediction")),
    ],
)
def test_undefined_metrics_are_nan_with_a_reason(truth: list[int], undefined: dict[str, str]) -> None:
    num_classes = np.array(truth, dtype=np.int64)
    outcomes = Outcomes(num_classes, num_classes, np.eye(2)[num_classes], ("all", "hem"), positive_index=0)
    measured = compute_metrics(outcomes, Weights.of_cells(np.ones((1, len(truth)))))
    for name in METRICS:
        reason = METRICS[name].why_undefined(outcomes)
        assert np.isnan(measured[name][0]) == (reason is not None)
        if name in undefined:
            assert reason == undefined[name]
