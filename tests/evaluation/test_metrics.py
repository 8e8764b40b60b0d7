import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import metrics as reference

from lymphoscope.evaluation.metrics import METRICS, compute_metrics
from lymphoscope.evaluation.outcomes import Outcomes, WeightedOutcomes
from lymphoscope.evaluation.summary import constant_baselines


def make_outcomes(seed: int, cells: int, kinds: int, *, ties: bool = False) -> Outcomes:
    generator = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(kinds), generator.integers(0, kinds, cells - kinds)])
    scores = generator.dirichlet(np.ones(kinds), cells)
    if ties:
        scores = np.eye(kinds)[scores.argmax(axis=1)]
    names = tuple(f"c{kind}" for kind in range(kinds))
    return Outcomes(truth, scores.argmax(axis=1), scores, names, positive_index=int(generator.integers(kinds)))


def by_scikit_learn(outcomes: Outcomes, weights: np.ndarray) -> dict[str, float]:
    """The same numbers from cells written out as often as they weigh."""
    cells = outcomes.at(np.repeat(np.arange(len(weights)), weights))
    truth, said, scores = cells.truth, cells.predicted, cells.scores
    is_blast, called = truth == cells.positive_index, said == cells.positive_index
    two = len(cells.classes) == 2
    return {
        "accuracy": reference.accuracy_score(truth, said),
        "weighted_f1": reference.f1_score(truth, said, average="weighted", zero_division=0),
        "auc": reference.roc_auc_score(is_blast, scores[:, cells.positive_index])
        if two
        else reference.roc_auc_score(truth, scores, multi_class="ovr", average="macro"),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, said),
        "sensitivity": reference.recall_score(is_blast, called),
        "specificity": reference.recall_score(~is_blast, ~called),
    }


@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(8, 60), kinds=st.integers(2, 8), ties=st.booleans())
@settings(deadline=None, max_examples=60)
def test_every_metric_is_scikit_learns_on_cells_written_out_by_weight(
    seed: int, cells: int, kinds: int, ties: bool
) -> None:
    outcomes = make_outcomes(seed, cells, kinds, ties=ties)
    weights = np.random.default_rng(seed).integers(0, 4, (3, cells))
    weights[:, :kinds] += 1  # every class is there
    measured = compute_metrics(outcomes, weights.astype(float))
    assert set(measured) == set(METRICS)
    for replicate in range(3):
        expected = by_scikit_learn(outcomes, weights[replicate])
        for name in METRICS:
            assert measured[name][replicate] == pytest.approx(expected[name], abs=1e-12), name


@given(seed=st.integers(0, 2**32 - 1), kinds=st.integers(2, 5))
@settings(deadline=None, max_examples=20)
def test_confusion_has_the_truth_in_rows(seed: int, kinds: int) -> None:
    outcomes = make_outcomes(seed, 40, kinds)
    matrix = WeightedOutcomes.unweighted(outcomes).confusions[0]
    expected = reference.confusion_matrix(outcomes.truth, outcomes.predicted, labels=range(kinds))
    np.testing.assert_array_equal(matrix, expected)


def test_constant_classifiers_are_scikit_learns() -> None:
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
def test_what_is_undefined_is_nan_and_has_a_reason(truth: list[int], undefined: dict[str, str]) -> None:
    kinds = np.array(truth, dtype=np.int64)
    outcomes = Outcomes(kinds, kinds, np.eye(2)[kinds], ("all", "hem"), positive_index=0)
    measured = compute_metrics(outcomes, np.ones((1, len(truth))))
    for name in METRICS:
        reason = METRICS[name].why_undefined(outcomes)
        assert np.isnan(measured[name][0]) == (reason is not None)
        if name in undefined:
            assert reason == undefined[name]
