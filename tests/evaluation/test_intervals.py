import numpy as np
import pytest

from lymphoscope.evaluation.intervals import bootstrap, replicate_weights, units_of
from lymphoscope.evaluation.metrics import METRICS, Outcomes, measure


def simulate(generator: np.random.Generator, subjects: int, cells: int, spread: float) -> tuple[Outcomes, np.ndarray]:
    """Two classes; the subjects' own accuracies scatter by `spread` about 0.8."""
    truth = np.repeat(np.arange(subjects) % 2, cells)
    names = np.repeat(np.arange(subjects).astype(str).astype(object), cells)
    chance = np.repeat(np.clip(generator.normal(0.8, spread, subjects), 0, 1), cells)
    right = generator.random(len(truth)) < chance
    said = np.where(right, truth, 1 - truth)
    blast = np.where(said == 1, 0.3, 0.7) + generator.normal(0, 0.05, len(truth))
    return Outcomes(truth, said, np.stack([blast, 1 - blast], axis=1), ("all", "hem"), blast=0), names


def intervals(outcomes: Outcomes, names: np.ndarray, replicates: int = 400, seed: int = 0) -> dict:
    return bootstrap(outcomes, units_of(names, outcomes), unit="subject", replicates=replicates, seed=seed)


def test_replicates_draw_whole_subjects_and_keep_their_number_per_class() -> None:
    outcomes, names = simulate(np.random.default_rng(0), 9, 4, 0.1)
    weights = np.concatenate(list(replicate_weights(units_of(names, outcomes), 300, seed=1)))
    by_subject = weights.reshape(300, 9, 4)
    assert (by_subject == by_subject[:, :, :1]).all()
    assert (by_subject[:, 0::2, 0].sum(axis=1) == 5).all()
    assert (by_subject[:, 1::2, 0].sum(axis=1) == 4).all()
    assert by_subject[:, :, 0].mean(axis=0) == pytest.approx(np.ones(9), abs=0.25)
    assert len(np.unique(weights, axis=0)) > 200


def test_chunks_are_bounded_and_make_up_the_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.evaluation.intervals._NUMBERS_AT_ONCE", 100)
    outcomes, names = simulate(np.random.default_rng(0), 5, 4, 0.1)
    sizes = [chunk.shape for chunk in replicate_weights(units_of(names, outcomes), 13, seed=0)]
    assert sizes == [(5, 20), (5, 20), (3, 20)]


@pytest.mark.parametrize("seed", range(5))
def test_intervals_hold_the_point(seed: int) -> None:
    outcomes, names = simulate(np.random.default_rng(seed), 20, 15, 0.1)
    point = measure(outcomes, np.ones((1, 300)))
    for metric, interval in intervals(outcomes, names).items():
        assert interval.low <= point[metric][0] <= interval.high
        assert interval.low < interval.high


def test_intervals_over_subjects_cover_and_those_over_cells_do_not() -> None:
    """The point of the subject as the unit: where subjects differ, cells drawn alone promise far too much."""
    generator = np.random.default_rng(0)
    rounds = 120
    covered, narrow = 0, 0
    for _ in range(rounds):
        outcomes, names = simulate(generator, 24, 25, 0.12)
        over_subjects = intervals(outcomes, names, 200)["accuracy"]
        over_cells = intervals(outcomes, np.arange(len(names)).astype(object), 200)["accuracy"]
        truth = 0.794  # the mean of the clipped normal
        covered += over_subjects.low <= truth <= over_subjects.high
        narrow += over_cells.low <= truth <= over_cells.high
    assert 0.86 <= covered / rounds <= 1.0
    assert narrow / rounds < 0.85


def test_the_seed_decides() -> None:
    outcomes, names = simulate(np.random.default_rng(0), 12, 8, 0.1)
    assert intervals(outcomes, names, seed=3) == intervals(outcomes, names, seed=3)
    assert intervals(outcomes, names, seed=3) != intervals(outcomes, names, seed=4)


def test_a_class_of_one_subject_gives_no_interval_but_of_the_other_class() -> None:
    outcomes, names = simulate(np.random.default_rng(0), 7, 6, 0.1)
    names[outcomes.truth == 1] = "H1"
    found = intervals(outcomes, names)
    assert found["sensitivity"].low is not None
    for metric in set(METRICS) - {"sensitivity"}:
        assert (found[metric].low, found[metric].high) == (None, None)
        assert found[metric].reason == "only one subject of class hem, an interval over subjects needs two"


def test_a_class_that_drops_out_of_replicates_gives_no_interval() -> None:
    """Mixed subjects: one cell of the rare class in one of many subjects is absent from a third of the replicates."""
    outcomes, names = simulate(np.random.default_rng(0), 10, 5, 0.1)
    truth = np.zeros_like(outcomes.truth)
    truth[0] = 1
    rare = Outcomes(truth, outcomes.predicted, outcomes.scores, outcomes.classes, 0)
    found = intervals(rare, names)
    assert "too rare" in found["auc"].reason
    assert found["accuracy"].low is not None
