from .card import model_card as model_card
from .description import (
    Architecture as Architecture,
    Description as Description,
    Export as Export,
    Parity as Parity,
    Preprocessing as Preprocessing,
    TestTime as TestTime,
)
from .folder import (
    build_network as build_network,
    description_for_export as description_for_export,
    export_command as export_command,
    export_files as export_files,
    halve_weights as halve_weights,
    load_description as load_description,
    load_network as load_network,
    record_exports as record_exports,
    record_referral as record_referral,
    record_scores as record_scores,
    save_model as save_model,
)
from .model_json import training_subjects as training_subjects
from .shipped import (
    default_model as default_model,
    default_model_notice as default_model_notice,
    resolve_model as resolve_model,
    shipped_models as shipped_models,
    subjects_of_shipped_model as subjects_of_shipped_model,
)

__all__ = [
    "Architecture",
    "Description",
    "Export",
    "Parity",
    "Preprocessing",
    "TestTime",
    "build_network",
    "default_model",
    "default_model_notice",
    "description_for_export",
    "export_command",
    "export_files",
    "halve_weights",
    "load_description",
    "load_network",
    "model_card",
    "record_exports",
    "record_referral",
    "record_scores",
    "resolve_model",
    "save_model",
    "shipped_models",
    "subjects_of_shipped_model",
    "training_subjects",
]
