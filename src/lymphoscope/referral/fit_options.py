"""The part `referral` of a recipe: what the referral of the trained model shall promise."""

from typing import Annotated

from pydantic import Field

from lymphoscope.referral.reasons import RULES, RuleName
from lymphoscope.referral.score_band import BandMethod, PromiseKind
from lymphoscope.strict_model import StrictModel

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class ReferralOptions(StrictModel):
    """When the trained model refers a cell to a person; fitted on calibration subjects after training."""

    method: BandMethod = Field(
        default="risk_control",
        description="How the score band is fitted: `risk_control` over subjects, which assumes only that subjects are "
        "exchangeable, or a `normal_model` of the scores.",
    )
    promise: PromiseKind = Field(
        default="average",
        description="Keep the rates on `average` over studies, or with `confidence` after this one (risk control).",
    )
    miss_rate: Share = Field(
        default=0.01, description="Maximum share of a new subject's blasts that are signed off as normal."
    )
    false_alarm_rate: Share = Field(
        default=0.05, description="Maximum share of a new subject's normal cells that are signed off as blasts."
    )
    confidence: Share = Field(default=0.95, description="Confidence of `promise: confidence` and of `normal_model`.")
    ood_share: Share = Field(
        default=0.99, description="Share of the known cells that are within each out-of-distribution limit."
    )
    rules: tuple[RuleName, ...] = Field(
        default=RULES, description="The checks that refer a cell; the others are measured and refer none."
    )
