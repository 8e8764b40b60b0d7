from .calibration import Calibration as Calibration, calibrated as calibrated
from .fitting import CalibrationFit as CalibrationFit, fit_calibration as fit_calibration
from .normal_model import fit_band as fit_band
from .ood import (
    Colour as Colour,
    FeatureArrays as FeatureArrays,
    OodReference as OodReference,
    Range as Range,
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
    UNREADABLE as UNREADABLE,
    Reason as Reason,
    RuleName as RuleName,
    meaning_of as meaning_of,
    reasons_table as reasons_table,
)
from .rule import CellEvidence as CellEvidence, Referral as Referral
from .score_band import ScoreBand as ScoreBand

__all__ = [
    "REASONS",
    "RULES",
    "UNREADABLE",
    "Calibration",
    "CalibrationFit",
    "CellEvidence",
    "Colour",
    "FeatureArrays",
    "OodReference",
    "Range",
    "Reason",
    "Referral",
    "RuleName",
    "ScoreBand",
    "calibrated",
    "colour_distance",
    "conformal_limit",
    "feature_distance",
    "feature_space",
    "fit_band",
    "fit_calibration",
    "meaning_of",
    "ood_columns",
    "ood_scores",
    "overexposed",
    "reasons_table",
]
