import numpy as np
import pytest
from hypothesis import given, strategies as st

from lymphoscope.data.quality import ImageStatistics
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Architecture, Description, Preprocessing, Thresholds
from lymphoscope.referral import SIGNALS, OodReference, Referral
from lymphoscope.referral.decision import SIGNAL_REASONS, refer_reasons

DEFAULT_OPTIONS = ImageStatistics(sharpness=2.0, brightness=60.0, touching=0.0, red_green=0.8, blue_green=1.0)
BAND = Referral(
    low=0.2,
    high=0.9,
    miss_rate=0.01,
    false_alarm_rate=0.05,
    confidence=0.95,
    blasts=900,
    normals=800,
    subjects=40,
    how="by hand",
)


def described(**changes: object) -> Description:
    fields = {
        "name": "by hand",
        "architecture": Architecture(backbone="test_resnet"),
        "classes": ("all", "hem"),
        "blast_class": "all",
        "preprocessing": Preprocessing(crop_mode="resize", size=32, mean=(0.5,) * 3, std=(0.2,) * 3),
    }
    return Description.model_validate(fields | changes)


def reasons(
    agreement: float,
    scores: list[float],
    predicted: int,
    description: Description,
    doubts: dict[str, float] | None = None,
    statistics: ImageStatistics = DEFAULT_OPTIONS,
) -> list[str]:
    outputs = StreamOutputs(
        labels=np.array([predicted]),
        scores=np.array([scores], dtype=np.float32),
        probabilities=np.array([[scores]] * 3, dtype=np.float32),
        votes=np.array([[predicted]] * 3),
        agreement=np.array([agreement], dtype=np.float32),
        boxes=None,
    )
    by_signal = {} if doubts is None else {name: np.array([doubts.get(name, 0.0)]) for name in SIGNALS}
    (found,) = refer_reasons(outputs, np.array([scores]), by_signal, [statistics], description)
    return found


def by_thresholds(agreement: float, scores: list[float], predicted: int, **limits: float) -> list[str]:
    classes = tuple("abc"[: len(scores)])
    description = described(classes=classes, blast_class=None, thresholds=Thresholds(**limits))
    return reasons(agreement, scores, predicted, description)


def test_nobody_need_look_where_all_agree_and_the_score_is_high() -> None:
    assert by_thresholds(1.0, [0.1, 0.9], 1) == []


def test_streams_that_disagree_are_referred() -> None:
    assert by_thresholds(0.67, [0.1, 0.9], 1) == ["streams disagree"]


def test_agreement_counts_as_it_is_shown() -> None:
    assert by_thresholds(2 / 3, [0.1, 0.9], 1, minimum_agreement=0.67) == []


def test_a_vote_against_the_score_and_a_low_score_are_told_apart() -> None:
    assert by_thresholds(1.0, [0.6, 0.4], 1) == ["vote and score disagree"]
    assert by_thresholds(1.0, [0.4, 0.35, 0.25], 0) == ["score below 0.5"]
    assert by_thresholds(1.0, [0.05, 0.95], 1, minimum_score=0.975) == ["score below 0.975"]


def test_reasons_add_up() -> None:
    assert by_thresholds(0.67, [0.6, 0.4], 1) == ["streams disagree", "vote and score disagree"]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_raising_a_threshold_never_takes_a_cell_from_a_person(score: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    lax = by_thresholds(1.0, [score, 1 - score], 0, minimum_score=low)
    strict = by_thresholds(1.0, [score, 1 - score], 0, minimum_score=high)
    assert bool(lax) <= bool(strict)


@pytest.mark.parametrize(
    ("blast", "predicted", "said"),
    [
        (0.19, 1, []),
        (0.2, 1, ["score in the uncertain band"]),
        (0.7, 0, ["score in the uncertain band"]),
        (0.9, 0, ["score in the uncertain band"]),
        (0.91, 0, []),
    ],
)
def test_the_band_and_its_edges_go_to_a_person(blast: float, predicted: int, said: list[str]) -> None:
    assert reasons(1.0, [blast, 1 - blast], predicted, described(referral=BAND)) == said


def test_a_side_that_cannot_be_promised_says_so() -> None:
    unpromised = BAND.model_copy(update={"low": 0.0, "low_reason": "12 blasts of 3 subjects cannot promise 0.01"})
    assert reasons(1.0, [0.01, 0.99], 1, described(referral=unpromised)) == ["too few inner subjects to sign off"]
    assert reasons(1.0, [0.7, 0.3], 0, described(referral=unpromised)) == ["score in the uncertain band"]
    assert reasons(1.0, [0.95, 0.05], 0, described(referral=unpromised)) == []


def test_a_band_that_is_off_sends_nobody() -> None:
    assert reasons(1.0, [0.7, 0.3], 0, described(referral=BAND.model_copy(update={"refers": False}))) == []


@pytest.mark.parametrize(("signal", "said"), SIGNAL_REASONS.items())
def test_a_signal_beyond_its_limit_names_its_reason(signal: str, said: str, ood_reference: OodReference) -> None:
    known = described(ood_reference=ood_reference)
    assert reasons(1.0, [0.05, 0.95], 1, known, {signal: 1.01}) == [said]
    assert reasons(1.0, [0.05, 0.95], 1, known, {signal: 1.0}) == []
    assert reasons(1.0, [0.05, 0.95], 1, known, {signal: float("nan")}) == []
    off = described(ood_reference=ood_reference.model_copy(update={"refers": ()}))
    assert reasons(1.0, [0.05, 0.95], 1, off, {signal: 9.0}) == []


def test_too_much_and_too_little_light_are_told_apart(ood_reference: OodReference) -> None:
    known = described(ood_reference=ood_reference)
    for brightness, said in ((80.0, "over-exposed"), (40.0, "under-exposed")):
        seen = DEFAULT_OPTIONS._replace(brightness=brightness)
        assert reasons(1.0, [0.05, 0.95], 1, known, {"exposure": 1.5}, seen) == [said]
