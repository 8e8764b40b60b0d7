from .evidence import CellEvidence as CellEvidence
from .feature_fitting import (
    FeatureCells as FeatureCells,
    fit_by_cross_fitting as fit_by_cross_fitting,
    fit_to_held_out as fit_to_held_out,
)
from .fit_options import ReferralOptions as ReferralOptions
from .fitting import (
    CalibrationCells as CalibrationCells,
    ReferralFit as ReferralFit,
    fit_referral as fit_referral,
)
from .ood import (
    Colour as Colour,
    FeatureArrays as FeatureArrays,
    FeatureReference as FeatureReference,
    OodReference as OodReference,
    Range as Range,
    Upper as Upper,
    class_distance as class_distance,
    colour_distance as colour_distance,
    conformal_limit as conformal_limit,
    feature_distance as feature_distance,
    feature_space as feature_space,
    ood_columns as ood_columns,
    ood_scores as ood_scores,
    overexposed as overexposed,
)
from .reasons import (
    REASONS as REASONS,
    RULES as RULES,
    SCORE_RULE as SCORE_RULE,
    UNREADABLE as UNREADABLE,
    Reason as Reason,
    RuleName as RuleName,
    meaning_of as meaning_of,
)
from .rule import Referral as Referral
from .score_band import Promise as Promise, ScoreBand as ScoreBand
from .temperature import Calibration as Calibration, calibrated as calibrated

__all__ = [
    "REASONS",
    "RULES",
    "SCORE_RULE",
    "UNREADABLE",
    "Calibration",
    "CalibrationCells",
    "CellEvidence",
    "Colour",
    "FeatureArrays",
    "FeatureCells",
    "FeatureReference",
    "OodReference",
    "Promise",
    "Range",
    "Reason",
    "Referral",
    "ReferralFit",
    "ReferralOptions",
    "RuleName",
    "ScoreBand",
    "Upper",
    "calibrated",
    "class_distance",
    "colour_distance",
    "conformal_limit",
    "feature_distance",
    "feature_space",
    "fit_by_cross_fitting",
    "fit_referral",
    "fit_to_held_out",
    "meaning_of",
    "ood_columns",
    "ood_scores",
    "overexposed",
]
