from .band import ReferralBand as ReferralBand, fit_band as fit_band
from .calibration import calibrated as calibrated
from .schema import (
    SIGNALS as SIGNALS,
    Calibration as Calibration,
    Colour as Colour,
    FeatureArrays as FeatureArrays,
    OodReference as OodReference,
    Range as Range,
    Referral as Referral,
    Signal as Signal,
)

__all__ = [
    "SIGNALS",
    "Calibration",
    "Colour",
    "FeatureArrays",
    "OodReference",
    "Range",
    "Referral",
    "ReferralBand",
    "Signal",
    "calibrated",
    "fit_band",
]
