"""The differential count: denominators, exact intervals, targets, and the errors of the classifier."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest

from lymphoscope.model_file import Description
from lymphoscope.smear.differential import (
    CountedCell,
    Differential,
    counted_as,
    differential_count,
    is_white_cell,
    per_100,
    until_target,
)
from lymphoscope.smear.error_correction import ClassifierErrors, corrected_intervals, errors_of
from lymphoscope.smear.sentences import blast_sentence

CLASSES = {"all": "lymphoblast", "lymphocyte": "lymphocyte", "erythroblast": "erythroblast", "platelet": "platelet"}


def cell(predicted: str | None = "lymphocyte", *, refer: bool = False, mark: str = "", **rest: str) -> CountedCell:
    marks = frozenset({mark} if mark else ())
    return CountedCell(predicted, refer, marks, rest.get("error"), rest.get("slide"), rest.get("subject"))


def count(cells: list[CountedCell], **options: float) -> Differential:
    return differential_count(cells, CLASSES, "id", None, **options)  # type: ignore[arg-type]


def test_percentages_are_of_white_cells_with_unidentified_ones_among_them() -> None:
    cells = [cell("all")] * 30 + [cell()] * 50 + [cell("all", refer=True)] * 20
    cells += [cell("erythroblast")] * 10 + [cell("platelet")] * 40 + [cell(mark="cut_by_edge")] * 7
    overall = count(cells).overall
    by_name = {row.name: row for row in overall.classes}
    assert overall.white_cells == 100
    assert overall.unidentified == 20
    assert overall.not_classed == {"cut_by_edge": 7}
    blasts = by_name["all"].percentage
    assert blasts is not None
    assert blasts.value == 30
    exact = binomtest(30, 100).proportion_ci(method="exact")
    assert (blasts.low, blasts.high) == pytest.approx((100 * exact.low, 100 * exact.high))
    assert by_name["erythroblast"].percentage is not None
    assert by_name["erythroblast"].percentage.value == 10  # per 100 white cells
    assert by_name["all"].referred == 20
    assert by_name["all"].as_predicted == 50


def test_smudges_are_given_per_100_white_cells_and_do_not_enlarge_the_denominator() -> None:
    overall = count([cell()] * 50 + [cell(mark="smudge")] * 25).overall
    smudge = next(row for row in overall.classes if row.name == "smudge")
    assert overall.white_cells == 50
    assert smudge.percentage is not None
    assert smudge.percentage.value == 50


@pytest.mark.parametrize("mark", ["cut_by_edge", "platelet_clump", "stain_deposit"])
def test_what_is_no_whole_cell_is_not_classed(mark: str) -> None:
    assert counted_as(cell(mark=mark)) == "not_classed"
    assert not is_white_cell(cell(mark=mark))


def test_a_cell_that_could_not_be_classified_is_not_classed_rather_than_unidentified() -> None:
    overall = count([cell(), cell(None, refer=True, error="no pixels")]).overall
    assert (overall.white_cells, overall.unidentified) == (1, 0)
    assert overall.not_classed == {"could not be classified": 1}


def test_a_target_counts_white_cells_in_the_order_of_the_walk() -> None:
    cells = [cell("platelet"), cell(), cell(mark="smudge"), cell("all"), cell(), cell("all")]
    assert until_target(cells, 2) == 4
    assert until_target(cells, 100) == 6
    overall = count(cells, target=2).overall
    assert (overall.white_cells, overall.found, overall.reached) == (2, 4, True)
    assert not count(cells, target=100).overall.reached


def test_slides_and_subjects_are_counted_apart_and_their_cells_add_up() -> None:
    cells = [cell(slide="A", subject="P")] * 3 + [cell("all", slide="B", subject="P")] * 2
    counts = count(cells).counts
    assert [(one.level, one.name, one.white_cells) for one in counts] == [
        ("all", None, 5), ("slide", "A", 3), ("slide", "B", 2), ("subject", "P", 5),
    ]  # fmt: skip


def test_unidentified_cells_that_may_be_blasts_leave_the_side_undecided() -> None:
    blasts = count([cell()] * 60 + [cell(refer=True)] * 40, threshold=20).overall.blasts
    assert blasts is not None
    assert (blasts.share.value, blasts.accepted.value, blasts.possible.value) == (0, 0, 40)
    assert (blasts.side, blasts.waits_for_review) == ("undecided", True)
    assert "undecided until a person has looked" in blast_sentence(blasts)


def test_more_cells_are_not_promised_to_decide_what_unidentified_cells_leave_open() -> None:
    blasts = count([cell(refer=True)] * 29, threshold=20).overall.blasts
    assert blasts is not None
    assert "undecided until a person has looked" in blast_sentence(blasts)
    few = count([cell("all")] * 2 + [cell()] * 6 + [cell(refer=True)], threshold=20).overall.blasts
    assert few is not None
    assert few.waits_for_review
    assert "more cells" not in blast_sentence(few)


def test_a_side_is_decided_where_the_unidentified_cells_do_not_matter() -> None:
    above = count([cell("all")] * 60 + [cell(refer=True)] * 40, threshold=20).overall.blasts
    below = count([cell()] * 198 + [cell("all", refer=True)] * 2, threshold=20).overall.blasts
    assert above is not None
    assert below is not None
    assert (above.side, below.side) == ("above", "below")
    assert "60.0 (49.7 to 69.7) % of the white cells, and 100.0 (96.4 to 100.0) %" in blast_sentence(above)


def test_the_share_of_blasts_says_how_many_more_cells_would_decide() -> None:
    blasts = count([cell("all")] * 25 + [cell()] * 75, threshold=20).overall.blasts
    assert blasts is not None
    assert blasts.side == "undecided"
    assert blasts.more_cells is not None
    cells = 100 + blasts.more_cells
    assert binomtest(round(0.25 * cells), cells).proportion_ci(method="exact").low > 0.199
    decided = count([cell("all")] * 50 + [cell()] * 50, threshold=20).overall.blasts
    assert decided is not None
    assert (decided.side, decided.more_cells) == ("above", None)
    wide, narrow = decided.expected
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_nothing_found_gives_a_count_without_percentages() -> None:
    overall = count([]).overall
    assert (overall.white_cells, overall.blasts) == (0, None)
    assert all(row.percentage is None for row in overall.classes)


@given(st.integers(0, 50), st.integers(1, 300))
def test_per_100_white_cells_is_a_ratio_whose_interval_holds_it(number: int, white: int) -> None:
    one = per_100(number, white)
    assert one is not None
    assert one.low <= one.value <= one.high
    assert one.value == pytest.approx(100 * number / white)


PERFECT = ClassifierErrors(("a", "b", "c"), np.diag([5e5, 5e5, 5e5]), "")


@given(st.lists(st.integers(0, 300), min_size=3, max_size=3).filter(lambda counts: sum(counts) > 20))
@settings(max_examples=10, deadline=None)
def test_without_errors_the_corrected_interval_is_near_the_exact_one(counts: list[int]) -> None:
    corrected = corrected_intervals(counts, PERFECT, [True] * 3)
    total = sum(counts)
    for number, (value, low, high) in zip(counts, corrected, strict=True):
        exact = binomtest(number, total).proportion_ci(method="exact")
        assert value == pytest.approx(number / total, abs=1e-3)
        assert (low, high) == pytest.approx((exact.low, exact.high), abs=0.03)


@pytest.mark.slow
def test_corrected_intervals_hold_the_true_share_where_exact_ones_do_not() -> None:
    generator = np.random.default_rng(0)
    recall = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.05, 0.05, 0.9]])
    truth = np.array([0.1, 0.6, 0.3])
    held, exact_held = 0, 0
    for repeat in range(60):
        matrix = np.stack([generator.multinomial(200, row) for row in recall]).astype(float)
        counts = generator.multinomial(400, truth @ recall)
        _, low, high = corrected_intervals(
            counts.tolist(), ClassifierErrors(("a", "b", "c"), matrix, ""), [True] * 3, seed=repeat
        )[0]
        held += low <= truth[0] <= high
        exact = binomtest(int(counts[0]), 400).proportion_ci(method="exact")
        exact_held += exact.low <= truth[0] <= exact.high
    assert held >= 54  # 95 % of 60 is 57
    assert exact_held < 20


def test_few_subjects_make_the_errors_uncertain(description: Description) -> None:
    scores = {
        "confusion": {"labels": ["all", "hem"], "matrix": [[80, 20], [5, 95]]},
        "sensitivity": {"value": 0.8, "low": 0.3, "high": 0.97},
        "specificity": {"value": 0.95, "low": 0.89, "high": 0.98},
    }
    errors = errors_of(description.model_copy(update={"scores": scores}))
    assert errors is not None
    assert errors.matrix[0].sum() < 20
    assert errors.matrix[1].sum() > 60
    assert errors.matrix[0, 0] / errors.matrix[0].sum() == pytest.approx(0.8)


def test_held_out_subjects_are_claimed_only_where_subjects_are_known(description: Description) -> None:
    def how(**scores: object) -> str:
        confusion = {"labels": ["all", "hem"], "matrix": [[80, 20], [5, 95]]}
        errors = errors_of(description.model_copy(update={"scores": {"confusion": confusion, **scores}}))
        return "" if errors is None else errors.how

    assert how(subjects=12) == "200 cells of held-out subjects"
    assert how(subjects=0) == "200 cells that it was not trained on, of unknown subjects"


def test_a_model_without_a_confusion_matrix_is_said_not_to_be_corrected(description: Description) -> None:
    assert errors_of(description) is None
    counted = count([cell()] * 3)
    assert "no confusion matrix" in counted.error_source
    assert all(row.corrected is None for row in counted.overall.classes)
