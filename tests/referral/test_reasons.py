"""The registry of reasons: a new entry is tested here without further changes."""

import numpy as np
import pytest
from pydantic import ValidationError

from lymphoscope.referral import REASONS, RULES, UNREADABLE, CellEvidence, Reason, Referral, meaning_of
from lymphoscope.vocabulary import OOD_SIGNALS, REASON_SEPARATOR

CELLS = CellEvidence(
    labels=np.array([0, 1, 1]),
    agreement=np.ones(3, np.float32),
    scores=np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]),
    positive_index=0,
)


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_every_reason_has_a_meaning_and_can_be_counted(reason: Reason) -> None:
    assert reason.meaning.endswith(".")
    assert meaning_of(reason.text(Referral())) == reason.meaning
    assert REASON_SEPARATOR not in reason.phrase
    assert reason.rule is None or reason.rule in RULES


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_every_reason_decides_for_each_cell(reason: Reason) -> None:
    flags = reason.decide(Referral(), CELLS)
    assert (flags.shape, flags.dtype) == ((3,), np.bool_)


def test_a_setting_in_a_phrase_does_not_hide_its_meaning() -> None:
    low = next(reason for reason in REASONS if reason.name == "low_score")
    for minimum in (0.5, 0.975):
        assert meaning_of(low.text(Referral(minimum_score=minimum))) == low.meaning
    assert meaning_of("written by another version") == "This version of Lymphoscope does not know this reason."


def test_names_and_phrases_are_unique_and_every_ood_signal_has_a_rule() -> None:
    assert len({reason.name for reason in REASONS}) == len({reason.phrase for reason in REASONS}) == len(REASONS)
    assert set(OOD_SIGNALS) <= set(RULES)
    assert UNREADABLE in {reason.phrase for reason in REASONS}


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValidationError, match="unknown referral rule 'novelty': use one of streams, score, feature_dis"
    ):
        Referral(rules=("novelty",))
