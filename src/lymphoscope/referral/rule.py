"""The referral rule of a model: which cells a person must review, and why."""

from pydantic import Field

from lymphoscope.referral.evidence import CellEvidence, ReferralLimits
from lymphoscope.referral.reasons import REASONS, RULES, RuleName


class Referral(ReferralLimits):
    """When a model refers a cell to a person: the part `referral` of `model.json`, and the only rule that decides."""

    rules: tuple[RuleName, ...] = Field(
        default=RULES, description="The checks that refer a cell; the others are measured and refer none."
    )

    def reasons(self, cells: CellEvidence) -> list[list[str]]:
        """Return why each of B cells is referred; an empty list for a cell that is not referred."""
        active = [reason for reason in REASONS if reason.rule is None or reason.rule in self.rules]
        flags = {reason.text(self): reason.decide(self, cells) for reason in active}
        return [[text for text, referred in flags.items() if referred[index]] for index in range(len(cells.scores))]
