"""The reasons for referring a cell to a person: the registry that the decision, the report and the docs derive from.

To add a reason, add an entry to REASONS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, WithJsonSchema

from lymphoscope.vocabulary import OodSignal

if TYPE_CHECKING:
    from lymphoscope.referral.rule import CellEvidence, Referral

Flags = NDArray[np.bool_]
"""(B,) which cells of a batch."""

Decide = Callable[["Referral", "CellEvidence"], Flags]


@dataclass(frozen=True)
class Reason:
    """One reason for referring a cell."""

    name: str
    phrase: str
    """The fixed text in `refer_reason`. It may name settings of the referral in braces."""
    meaning: str
    """One sentence for the reader of a report."""
    decide: Decide
    """Which cells of a batch it refers, from the referral settings and the evidence."""
    rule: str | None = None
    """The entry of `referral.rules` that switches it off when left out; None for a reason that is always checked."""
    limit: str = ""
    """Where its limit comes from, for the documentation."""

    def text(self, referral: "Referral") -> str:
        """Return the phrase with the settings filled in."""
        return self.phrase.format(minimum_score=referral.minimum_score)

    def matches(self, text: str) -> bool:
        """Whether `text` is this reason's phrase, whatever the settings."""
        start, brace, end = self.phrase.partition("{")
        end = end.partition("}")[2]
        return text.startswith(start) and text.endswith(end) if brace else text == self.phrase


STREAMS_RULE, SCORE_RULE = "streams", "score"
UNREADABLE: Final = "unreadable"


def meaning_of(text: str) -> str:
    """Return the meaning of a reason in a predictions table; unknown reasons get a sentence that says so."""
    known = (reason.meaning for reason in REASONS if reason.matches(text))
    return next(known, "This version of Lymphoscope does not know this reason.")


def reasons_table() -> str:
    """Return the reasons as a Markdown table, for the documentation."""
    rows = [f"| `{reason.phrase}` | {reason.meaning} | {reason.limit} |" for reason in REASONS]
    return "\n".join(["| reason | meaning | limit from |", "|---|---|---|", *rows])


def _streams_disagree(referral: "Referral", cells: "CellEvidence") -> Flags:
    # Two decimals, as in the column `agreement`.
    return ~(np.round(cells.agreement.astype(np.float64), 2) >= referral.minimum_agreement)


def _score_against_vote(referral: "Referral", cells: "CellEvidence") -> Flags:
    return _below_minimum(referral, cells) & _is_against_vote(cells)


def _low_score(referral: "Referral", cells: "CellEvidence") -> Flags:
    return _below_minimum(referral, cells) & ~_is_against_vote(cells)


def _below_minimum(referral: "Referral", cells: "CellEvidence") -> Flags:
    return np.asarray(~(cells.predicted_scores >= referral.minimum_score))


def _is_against_vote(cells: "CellEvidence") -> Flags:
    return np.asarray(cells.predicted_scores < cells.scores.max(axis=1))


def _uncertain(referral: "Referral", cells: "CellEvidence") -> Flags:
    if referral.band is None or cells.blast_scores is None:
        return cells.none
    referred = referral.band.refers(cells.blast_scores, cells.predicted_blast)
    return referred & ~referral.band.lacks_promise(cells.blast_scores)


def _unsupported(referral: "Referral", cells: "CellEvidence") -> Flags:
    if referral.band is None or cells.blast_scores is None:
        return cells.none
    referred = referral.band.refers(cells.blast_scores, cells.predicted_blast)
    return referred & referral.band.lacks_promise(cells.blast_scores)


def _beyond(signal: OodSignal) -> Decide:
    """An OOD score above its limit, or NaN; a signal without a limit refers no cell."""
    return lambda _, cells: ~(cells.ood[signal] <= 1) if signal in cells.ood else cells.none


def _exposure(*, too_bright: bool) -> Decide:
    beyond = _beyond("exposure")
    return lambda referral, cells: (
        beyond(referral, cells) & (cells.overexposed == too_bright if "exposure" in cells.ood else False)
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
        decide=_uncertain,
    ),
    Reason(
        "unsupported",
        phrase="too few calibration subjects",
        meaning="No cell with such a score is signed off, because there are too few calibration subjects.",
        rule=SCORE_RULE,
        limit=_BAND,
        decide=_unsupported,
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
