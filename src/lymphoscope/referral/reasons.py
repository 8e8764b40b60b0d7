"""The reasons for referring a cell to a person: the registry that the decision, the report and the docs derive from.

To add a reason, add an entry to REASONS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import AfterValidator, WithJsonSchema

from lymphoscope.vocabulary import OodSignal

if TYPE_CHECKING:
    from lymphoscope.referral.evidence import CellEvidence, Flags, ReferralLimits

    Decide = Callable[[ReferralLimits, CellEvidence], Flags]


@dataclass(frozen=True)
class Reason:
    """One reason for referring a cell."""

    name: str
    phrase: str
    """The fixed text in `refer_reason`. It may name limits in braces."""
    meaning: str
    """One sentence for the reader of a report."""
    decide: "Decide"
    """Which cells of a batch it refers, from the limits and the evidence."""
    rule: str | None = None
    """The entry of `referral.rules` that switches it off when left out; None for a reason that is always checked."""
    limit: str = ""
    """Where its limit comes from, for the documentation."""

    def text(self, limits: "ReferralLimits") -> str:
        """Return the phrase with the limits filled in."""
        return self.phrase.format(minimum_score=limits.minimum_score)

    def matches(self, text: str) -> bool:
        """Whether `text` is this reason's phrase, whatever the limits."""
        start, brace, end = self.phrase.partition("{")
        end = end.partition("}")[2]
        return text.startswith(start) and text.endswith(end) if brace else text == self.phrase


STREAMS_RULE, SCORE_RULE = "streams", "score"
UNREADABLE: Final = "unreadable"


def meaning_of(text: str) -> str:
    """Return the meaning of a reason in a predictions table; unknown reasons get a sentence that says so."""
    known = (reason.meaning for reason in REASONS if reason.matches(text))
    return next(known, "This version of Lymphoscope does not know this reason.")


def _streams_disagree(limits: "ReferralLimits", cells: "CellEvidence") -> "Flags":
    # Two decimals, as in the column `agreement`.
    return ~(np.round(cells.agreement.astype(np.float64), 2) >= limits.minimum_agreement)


def _score_against_vote(limits: "ReferralLimits", cells: "CellEvidence") -> "Flags":
    return _below_minimum(limits, cells) & _is_against_vote(cells)


def _low_score(limits: "ReferralLimits", cells: "CellEvidence") -> "Flags":
    return _below_minimum(limits, cells) & ~_is_against_vote(cells)


def _below_minimum(limits: "ReferralLimits", cells: "CellEvidence") -> "Flags":
    return np.asarray(~(cells.predicted_scores >= limits.minimum_score))


def _is_against_vote(cells: "CellEvidence") -> "Flags":
    return np.asarray(cells.predicted_scores < cells.scores.max(axis=1))


def _in_band(*, supported: bool) -> "Decide":
    """A score in the band of referred scores; whether enough calibration subjects support signing off such cells."""

    def decide(limits: "ReferralLimits", cells: "CellEvidence") -> "Flags":
        if limits.band is None or cells.blast_scores is None:
            return cells.none
        referred = limits.band.refers(cells.blast_scores, cells.predicted_blast)
        return np.asarray(referred & (limits.band.lacks_promise(cells.blast_scores) != supported))

    return decide


def _beyond(signal: OodSignal) -> "Decide":
    """An OOD score above its limit, or NaN; a signal without a limit refers no cell."""
    return lambda _, cells: ~(cells.ood[signal] <= 1) if signal in cells.ood else cells.none


def _exposure(*, too_bright: bool) -> "Decide":
    beyond = _beyond("exposure")
    return lambda limits, cells: (
        beyond(limits, cells) & (cells.overexposed == too_bright if "exposure" in cells.ood else False)
    )


_BAND = "calibration subjects"
_FEATURES = "training cells and calibration subjects"
_IMAGES = "training and calibration cells"

REASONS: Final = (
    Reason(
        "streams_disagree",
        phrase="streams disagree",
        meaning="The streams did not all predict the same class.",
        rule=STREAMS_RULE,
        limit="`referral.minimum_agreement`",
        decide=_streams_disagree,
    ),
    Reason(
        "score_against_vote",
        phrase="vote and score disagree",
        meaning="The vote predicts one class, but the mean score is higher for another.",
        decide=_score_against_vote,
    ),
    Reason(
        "low_score",
        phrase="score below {minimum_score:g}",
        meaning="The score of the predicted class is low.",
        limit="`referral.minimum_score`",
        decide=_low_score,
    ),
    Reason(
        "uncertain",
        phrase="score in the uncertain band",
        meaning="The blast score is between the limits for signing off a cell as normal or as a blast.",
        rule=SCORE_RULE,
        limit=_BAND,
        decide=_in_band(supported=True),
    ),
    Reason(
        "unsupported",
        phrase="too few calibration subjects",
        meaning="No cell with such a score is signed off, because there are too few calibration subjects.",
        rule=SCORE_RULE,
        limit=_BAND,
        decide=_in_band(supported=False),
    ),
    Reason(
        "feature_distance",
        phrase="unlike the training cells",
        meaning="The network's features of this cell are far from those of all training cells.",
        rule="feature_distance",
        limit=_FEATURES,
        decide=_beyond("feature_distance"),
    ),
    Reason(
        "class_distance",
        phrase="unlike each class",
        meaning="The network's features of this cell are not close to those of any class.",
        rule="class_distance",
        limit=_FEATURES,
        decide=_beyond("class_distance"),
    ),
    Reason(
        "blur",
        phrase="out of focus",
        meaning="The image is less sharp than those of the training cells.",
        rule="blur",
        limit=_IMAGES,
        decide=_beyond("blur"),
    ),
    Reason(
        "cut_off",
        phrase="cut off",
        meaning="The cell extends beyond the edge of its image.",
        rule="cut_off",
        limit=_IMAGES,
        decide=_beyond("cut_off"),
    ),
    Reason(
        "overexposed",
        phrase="over-exposed",
        meaning="The cell is brighter than the training cells.",
        rule="exposure",
        limit=_IMAGES,
        decide=_exposure(too_bright=True),
    ),
    Reason(
        "underexposed",
        phrase="under-exposed",
        meaning="The cell is darker than the training cells.",
        rule="exposure",
        limit=_IMAGES,
        decide=_exposure(too_bright=False),
    ),
    Reason(
        "colour",
        phrase="unusual colour",
        meaning="The colour of the stain differs from that of the training cells.",
        rule="colour",
        limit=_IMAGES,
        decide=_beyond("colour"),
    ),
    Reason(
        "unreadable",
        phrase=UNREADABLE,
        meaning="The file could not be read; the column `error` says why.",
        # Inference gives this reason itself: there is no evidence on such a cell.
        decide=lambda _, cells: cells.none,
    ),
)
"""Every reason, in the order in which `refer_reason` lists them."""

RULES: Final = tuple(dict.fromkeys(reason.rule for reason in REASONS if reason.rule is not None))
"""Everything that `referral.rules` may list."""


def _known_rule(name: str) -> str:
    if name not in RULES:
        raise ValueError(f"unknown referral rule {name!r}: use one of {', '.join(RULES)}")
    return name


RuleName = Annotated[str, AfterValidator(_known_rule), WithJsonSchema({"enum": list(RULES), "type": "string"})]
"""An entry of `referral.rules`."""
