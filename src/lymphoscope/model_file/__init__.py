"""A trained model on disk: what it is, how it is written and read."""

from lymphoscope.model_file.card import model_card
from lymphoscope.model_file.description import (
    Architecture,
    Description,
    Export,
    Parity,
    Preprocessing,
    TestTime,
    Thresholds,
)
from lymphoscope.model_file.evidence import (
    SIGNALS,
    Calibration,
    Colour,
    Familiarity,
    FeatureArrays,
    Range,
    Referral,
    Signal,
)
from lymphoscope.model_file.folder import (
    demonstration_model,
    export_files,
    is_model_folder,
    load_description,
    load_network,
    record_evidence,
    record_exports,
    record_scores,
    save_model,
)
from lymphoscope.model_file.network import build_network

__all__ = [
    "SIGNALS",
    "Architecture",
    "Calibration",
    "Colour",
    "Description",
    "Export",
    "Familiarity",
    "FeatureArrays",
    "Parity",
    "Preprocessing",
    "Range",
    "Referral",
    "Signal",
    "TestTime",
    "Thresholds",
    "build_network",
    "demonstration_model",
    "export_files",
    "is_model_folder",
    "load_description",
    "load_network",
    "model_card",
    "record_evidence",
    "record_exports",
    "record_scores",
    "save_model",
]
