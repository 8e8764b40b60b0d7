import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from lymphoscope.referral import CellEvidence, OodReference, Promise, Referral, ScoreBand
from lymphoscope.vocabulary import OOD_SIGNALS

BAND = ScoreBand(
    low=0.2,
    high=0.9,
    method="risk_control",
    kind="average",
    miss=Promise(stated=0.01, rate=0.01, subjects=120, cells=900),
    false_alarm=Promise(stated=0.05, rate=0.05, subjects=40, cells=800),
)
SIGNAL_REASONS = {
    "feature_distance": "unlike the training cells",
    "class_distance": "unlike each class",
    "blur": "out of focus",
    "cut_off": "cut off",
    "colour": "unusual colour",
}


def reasons(
    referral: Referral,
    scores: list[float],
    predicted: int,
    agreement: float = 1.0,
    ood: dict[str, float] | None = None,
    *,
    positive_index: int | None = 0,
    overexposed: bool = False,
) -> list[str]:
    evidence = CellEvidence(
        labels=np.array([predicted]),
        agreement=np.array([agreement], dtype=np.float32),
        scores=np.array([scores]),
        positive_index=positive_index,
        blast_scores=None if positive_index is None else np.array([scores[positive_index]]),
        ood={} if ood is None else {name: np.array([ood.get(name, 0.0)]) for name in OOD_SIGNALS},
        overexposed=np.array([overexposed]),
    )
    (found,) = referral.reasons(evidence)
    return found


def by_thresholds(agreement: float, scores: list[float], predicted: int, **limits: float) -> list[str]:
    return reasons(Referral(**limits), scores, predicted, agreement, positive_index=None)


def test_agreement_and_a_high_score_need_no_review() -> None:
    assert by_thresholds(1.0, [0.1, 0.9], 1) == []


def test_disagreeing_streams_are_referred() -> None:
    assert by_thresholds(0.67, [0.1, 0.9], 1) == ["streams disagree"]


def test_agreement_is_compared_at_two_decimals() -> None:
    assert by_thresholds(2 / 3, [0.1, 0.9], 1, minimum_agreement=0.67) == []


def test_vote_against_score_and_low_score_are_different_reasons() -> None:
    assert by_thresholds(1.0, [0.6, 0.4], 1) == ["vote and score disagree"]
    assert by_thresholds(1.0, [0.4, 0.35, 0.25], 0) == ["score below 0.5"]
    assert by_thresholds(1.0, [0.05, 0.95], 1, minimum_score=0.975) == ["score below 0.975"]


def test_a_cell_can_have_several_reasons() -> None:
    assert by_thresholds(0.67, [0.6, 0.4], 1) == ["streams disagree", "vote and score disagree"]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_raising_a_threshold_never_removes_a_referral(score: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    lax = by_thresholds(1.0, [score, 1 - score], 0, minimum_score=low)
    strict = by_thresholds(1.0, [score, 1 - score], 0, minimum_score=high)
    assert bool(lax) <= bool(strict)


@pytest.mark.parametrize(
    ("blast", "predicted", "expected"),
    [
        (0.19, 1, []),
        (0.2, 1, ["score in the uncertain band"]),
        (0.7, 0, ["score in the uncertain band"]),
        (0.9, 0, ["score in the uncertain band"]),
        (0.91, 0, []),
    ],
)
def test_band_and_its_edges_are_referred(blast: float, predicted: int, expected: list[str]) -> None:
    assert reasons(Referral(band=BAND), [blast, 1 - blast], predicted) == expected


def test_a_side_without_a_promise_has_its_own_reason() -> None:
    nobody = Promise(stated=0.01, rate=None, subjects=0, cells=0)
    band = BAND.model_copy(update={"low": 0.0, "miss": nobody})
    assert reasons(Referral(band=band), [0.01, 0.99], 1) == ["too few calibration subjects"]
    assert reasons(Referral(band=band), [0.7, 0.3], 0) == ["score in the uncertain band"]
    assert reasons(Referral(band=band), [0.95, 0.05], 0) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_rule_refers_exactly_what_the_band_refers(scores: list[float]) -> None:
    blast = np.array(scores)
    evidence = CellEvidence(
        labels=(blast < 0.5).astype(np.int64),
        agreement=np.ones(len(blast), np.float32),
        scores=np.stack([blast, 1 - blast], axis=1),
        positive_index=0,
        blast_scores=blast,
    )
    referred = [bool(found) for found in Referral(band=BAND).reasons(evidence)]
    assert referred == BAND.refers(blast, blast >= 0.5).tolist()


def test_a_band_that_is_switched_off_refers_nothing() -> None:
    assert reasons(Referral(band=BAND, rules=("streams",)), [0.7, 0.3], 0) == []


@pytest.mark.parametrize(("signal", "reason"), SIGNAL_REASONS.items())
def test_a_signal_beyond_its_limit_names_its_reason(signal: str, reason: str, ood_reference: OodReference) -> None:
    referral = Referral(ood_reference=ood_reference)
    assert reasons(referral, [0.05, 0.95], 1, ood={signal: 1.01}) == [reason]
    assert reasons(referral, [0.05, 0.95], 1, ood={signal: 1.0}) == []
    assert reasons(referral, [0.05, 0.95], 1, ood={signal: float("nan")}) == [reason]
    off = Referral(ood_reference=ood_reference, rules=())
    assert reasons(off, [0.05, 0.95], 1, ood={signal: 9.0}) == []


def test_too_much_and_too_little_light_are_different_reasons(ood_reference: OodReference) -> None:
    referral = Referral(ood_reference=ood_reference)
    for overexposed, reason in ((True, "over-exposed"), (False, "under-exposed")):
        found = reasons(referral, [0.05, 0.95], 1, ood={"exposure": 1.5}, overexposed=overexposed)
        assert found == [reason]


def test_nan_is_referred_whatever_it_is_of(ood_reference: OodReference) -> None:
    referral = Referral(band=BAND, ood_reference=ood_reference)
    sure = ([0.05, 0.95], 1, 1.0, {})
    assert reasons(referral, *sure) == []
    assert reasons(referral, [float("nan")] * 2, 1, 1.0, {})
    assert reasons(referral, [0.05, 0.95], 1, float("nan"), {}) == ["streams disagree"]
    for signal in OOD_SIGNALS:
        assert reasons(referral, [0.05, 0.95], 1, 1.0, {signal: float("nan")}) != []


def test_a_vote_against_the_score_is_never_signed_off() -> None:
    """Even where the minimum score would allow it, so that no blast escapes the promise."""
    lax = Referral(band=BAND, minimum_score=0.0)
    assert reasons(lax, [0.95, 0.05], 1) == ["score in the uncertain band"]
    assert reasons(lax, [0.05, 0.95], 0) == ["score in the uncertain band"]


@pytest.mark.parametrize("setting", ["minimum_agreement", "minimum_score"])
@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1])
def test_impossible_thresholds_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Referral.model_validate({setting: value})
