"""The shift card: scores of each step as an evaluation has them, and what counts as a fall."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lymphoscope.evaluation import Outcomes, as_predictions, compare_predictions, evaluate_predictions
from lymphoscope.robustness.corruption_scores import CorruptedOutcomes, score_corruptions

CLASSES = ("all", "hem")
SUBJECTS = [f"S{place // 10}" for place in range(200)]
TRUTH = np.arange(200) // 10 % 2


def said(wrong: float, seed: int = 0) -> Outcomes:
    """Answers of which a share `wrong` is wrong."""
    generator = np.random.default_rng(seed)
    predicted = np.where(generator.random(200) < wrong, 1 - TRUTH, TRUTH)
    sure = generator.uniform(0.5, 1, 200)
    scores = np.where(predicted[:, None] == [0, 1], sure[:, None], 1 - sure[:, None])
    return Outcomes(TRUTH, predicted, scores, CLASSES, 0)


def as_table(outcomes: Outcomes) -> pd.DataFrame:
    names = np.array(CLASSES)
    table = pd.DataFrame(
        {"path": [f"/{place:03d}.png" for place in range(200)], "subject": SUBJECTS, "label": names[outcomes.truth]}
    )
    table["predicted"] = names[outcomes.predicted]
    table["raw_vote"] = table["predicted"]
    for place, name in enumerate(CLASSES):
        table[f"score_{name}"] = table[f"raw_{name}"] = outcomes.scores[:, place]
    return as_predictions(table.assign(agreement=1.0, refer=False), list(CLASSES))


def test_a_fall_is_marked_and_chance_is_not() -> None:
    unchanged = said(0.05)
    steps = [
        CorruptedOutcomes("blur", 1, "sigma 1 px", said(0.05, seed=1)),
        CorruptedOutcomes("blur", 2, "sigma 2 px", said(0.3, seed=2)),
        CorruptedOutcomes("blur", 3, "sigma 3 px", said(0.0, seed=3)),
    ]
    card = score_corruptions(SUBJECTS, unchanged, steps, replicates=500, note="a draw")
    assert [step.significant_drop for step in card.steps] == [False, True, False]
    assert [(step.corruption, step.level, step.amount) for step in card.steps][1] == ("blur", 2, "sigma 2 px")
    assert (card.cells, card.note) == (200, "a draw")


def test_the_scores_are_those_of_scikit_learn_and_of_an_evaluation() -> None:
    changed = said(0.3, seed=2)
    card = score_corruptions(SUBJECTS, said(0.05), [CorruptedOutcomes("jpeg", 1, "", changed)], replicates=200, seed=4)
    scores = card.steps[0].scores
    assert scores["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(TRUTH, changed.predicted))
    assert scores["auc"].value == pytest.approx(roc_auc_score(TRUTH, changed.scores[:, 1]))
    judged = evaluate_predictions(as_table(changed), blast_class="all", replicates=200, seed=4)
    assert scores["accuracy"] == judged.vote["accuracy"]
    assert scores["sensitivity"] == judged.vote["sensitivity"]


@pytest.mark.parametrize("wrong", [0.06, 0.1, 0.14])
def test_a_fall_is_what_the_paired_comparison_finds(wrong: float) -> None:
    unchanged, changed = said(0.05), said(wrong, seed=7)
    found = compare_predictions(as_table(changed), as_table(unchanged), blast_class="all", replicates=400)
    high = found.differences["balanced_accuracy"].high
    card = score_corruptions(SUBJECTS, unchanged, [CorruptedOutcomes("noise", 1, "", changed)], replicates=400)
    assert high is not None
    assert card.steps[0].significant_drop == (high < 0)


def test_without_a_class_nothing_falls() -> None:
    one = Outcomes(np.zeros(20, dtype=int), np.zeros(20, dtype=int), np.tile([1.0, 0.0], (20, 1)), CLASSES, 0)
    card = score_corruptions(
        [f"S{place}" for place in range(20)], one, [CorruptedOutcomes("blur", 1, "", one)], replicates=50
    )
    assert card.steps[0].scores["balanced_accuracy"].reason == "no cell is labelled hem"
    assert not card.steps[0].significant_drop
