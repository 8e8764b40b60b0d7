from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from lymphoscope.evaluation.bootstrap import BootstrapSamples, MetricGroup, MetricSpec, draw_bootstrap_samples
from lymphoscope.evaluation.evaluation_set import EvaluationSet, metric_group, select_evaluation_set
from lymphoscope.evaluation.metrics import METRICS, compute_metrics
from lymphoscope.evaluation.outcomes import Floats, Weights
from lymphoscope.evaluation.units import replicate_weights

Maker = Callable[..., pd.DataFrame]


def drawn(table: pd.DataFrame, replicates: int = 200, seed: int = 0) -> tuple[EvaluationSet, BootstrapSamples]:
    evaluated = select_evaluation_set(table, "all")
    return evaluated, draw_bootstrap_samples(evaluated.rows, evaluated.outcomes, replicates=replicates, seed=seed)


def scores(table: pd.DataFrame, replicates: int = 200, seed: int = 0) -> dict:
    evaluated, samples = drawn(table, replicates, seed)
    every = np.ones(len(evaluated.rows), dtype=bool)
    return samples.estimate({"vote": metric_group(evaluated.outcomes, every)})["vote"]


@pytest.mark.parametrize("seed", range(3))
def test_every_interval_holds_its_value(predictions: Maker, seed: int) -> None:
    table = predictions(subjects=20, cells=15, seed=seed)
    evaluated, _ = drawn(table)
    point = compute_metrics(evaluated.outcomes, Weights.of_cells(np.ones((1, len(table)))))
    for metric, result in scores(table).items():
        assert result.value == point[metric][0]
        assert result.low < result.value < result.high


def test_samples_are_shared_and_do_not_depend_on_chunks(predictions: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every group sees the same weights, in the order of `replicate_weights`, whatever the size of a chunk."""
    _, samples = drawn(predictions(), replicates=40)
    seen: dict[str, list[np.ndarray]] = {"one": [], "other": []}

    def noting(name: str) -> MetricGroup:
        def compute(weights: Weights) -> dict[str, np.ndarray]:
            seen[name].append(weights.of_unit.copy())
            return {"sum": weights.of_unit[:, 0]}

        return MetricGroup(compute, {"sum": MetricSpec(np.ones(120, dtype=bool), "positive")})

    first = samples.estimate({name: noting(name) for name in seen})
    np.testing.assert_array_equal(np.concatenate(seen["one"]), np.concatenate(seen["other"]))
    expected = np.concatenate(list(replicate_weights(samples.units.stratum, 40, 0)))
    np.testing.assert_array_equal(np.concatenate(seen["one"])[-40:], expected)
    monkeypatch.setattr("lymphoscope.evaluation.units._NUMBERS_AT_ONCE", 50)
    monkeypatch.setattr("lymphoscope.evaluation.bootstrap.FEW_UNITS", 5)
    assert samples.estimate({name: noting(name) for name in seen}) == first


def test_intervals_over_cells_are_narrower_than_those_over_subjects(predictions: Maker) -> None:
    """The point of the subject as the unit: where subjects differ, cells drawn alone promise too much."""
    table = predictions(subjects=20, cells=50)
    over_subjects, over_cells = scores(table)["accuracy"], scores(table.assign(subject=None))["accuracy"]
    assert over_subjects.value == over_cells.value
    assert over_subjects.high - over_subjects.low > 1.5 * (over_cells.high - over_cells.low)


def test_same_seed_gives_the_same_result(predictions: Maker) -> None:
    assert scores(predictions(), seed=3) == scores(predictions(), seed=3)
    assert scores(predictions(), seed=3) != scores(predictions(), seed=4)


def test_class_with_one_subject_gives_no_interval_except_for_the_other_class(predictions: Maker) -> None:
    table = predictions(subjects=7, cells=6)
    table.loc[table["label"] == "hem", "subject"] = "H1"
    result = scores(table)
    assert result["sensitivity"].low is not None
    for metric in (name for name, each in METRICS.items() if each.needs != "positives"):
        assert (result[metric].low, result[metric].high) == (None, None)
        assert result[metric].reason == "only one subject of class hem, an interval over subjects needs two"


def test_one_linked_unit_with_cells_of_both_classes_leaves_every_interval(predictions: Maker) -> None:
    """A subject of each class share a cell: one unit has cells of both, and six others have normal cells."""
    table = predictions(subjects=14, cells=12, seed=4)
    linked = table.assign(group=table["subject"].replace({"S000": "S000+S001", "S001": "S000+S001"}))
    apart, together = scores(table, replicates=1000), scores(linked, replicates=1000)
    for metric, result in together.items():
        assert result.reason is None, metric
        assert result.low < result.value < result.high
    # The cells of a class are on seven units in both tables, so its recall has about the same interval.
    for metric in ("sensitivity", "specificity"):
        assert together[metric].low == pytest.approx(apart[metric].low, abs=0.03)
        assert together[metric].high == pytest.approx(apart[metric].high, abs=0.03)


def test_units_with_cells_of_both_classes_count_for_both(predictions: Maker) -> None:
    """Where every unit has cells of both classes, no class has too few units, whatever its commonest label."""
    table = predictions(subjects=16, cells=12)
    pairs = table["subject"].str[1:].astype(int) // 2
    result = scores(table.assign(subject="P" + pairs.astype(str)), replicates=500)
    assert all(each.low is not None for each in result.values())


def test_class_in_one_unit_of_several_classes_gives_no_interval(predictions: Maker) -> None:
    table = predictions(subjects=8, cells=12)
    table.loc[table["label"] == "hem", "subject"] = "S000"
    result = scores(table)
    assert result["specificity"].reason == "only one subject of class hem, an interval over subjects needs two"
    assert result["sensitivity"].low is not None


def test_class_missing_from_many_replicates_gives_no_interval(predictions: Maker) -> None:
    """Mixed subjects: one cell of the rare class in one of many subjects is absent from a third of the replicates."""
    table = predictions(subjects=10, cells=5).assign(label="all")
    table.loc[0, "label"] = "hem"
    result = scores(table)
    assert "too rare" in result["auc"].reason
    assert result["accuracy"].low is not None


def test_small_class_of_little_weight_hardly_widens_an_interval(predictions: Maker) -> None:
    """Two subjects have one degree of freedom, so that sensitivity has no interval; accuracy over 42 has one."""
    table = predictions(subjects=80, cells=10)
    few = table[(table["label"] == "hem") | table["subject"].isin(["S000", "S002"])]
    result = scores(few, replicates=500)
    assert (result["sensitivity"].low, "too few subjects" in result["sensitivity"].reason) == (None, True)
    assert result["accuracy"].high - result["accuracy"].low < 0.25


def test_units_of_large_strata_are_not_left_out_one_by_one(predictions: Maker) -> None:
    """With more than 200 cells a class as units, what leaving out cost is saved, and the interval is the binomial's."""
    table = predictions(subjects=40, cells=25).assign(subject=None)
    result = scores(table, replicates=1000)["accuracy"]
    spread = np.sqrt(result.value * (1 - result.value) / len(table))
    assert result.high - result.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_without_subjects_cells_are_drawn_with_a_note(predictions: Maker) -> None:
    table = predictions()
    table.loc[3, "subject"] = None
    _, samples = drawn(table)
    assert samples.bootstrap.unit == "cell"
    assert "1 of 120 cells have no subject" in samples.bootstrap.note


def test_a_group_that_several_need_is_computed_once_per_chunk_and_gives_the_same_numbers(predictions: Maker) -> None:
    evaluated = select_evaluation_set(predictions(), "all")
    samples = draw_bootstrap_samples(evaluated.rows, evaluated.outcomes, replicates=100, seed=0)
    group = metric_group(evaluated.outcomes, np.ones(len(evaluated.outcomes.truth), dtype=bool))
    calls: list[Weights] = []

    def counted(weights: Weights) -> Mapping[str, Floats]:
        calls.append(weights)
        return group.compute(weights)

    shared = MetricGroup(counted, group.specs).remembered()
    together = samples.estimate({"own": shared, "again": shared})
    assert together["own"] == together["again"] == samples.estimate({"own": group})["own"]
    assert len(calls) == len({id(weights) for weights in calls})
