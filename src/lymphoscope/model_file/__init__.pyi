from .card import model_card as model_card
from .description import (
    Architecture as Architecture,
    Description as Description,
    Export as Export,
    Parity as Parity,
    Preprocessing as Preprocessing,
    TestTime as TestTime,
    Thresholds as Thresholds,
)
from .folder import (
    build_network as build_network,
    demonstration_model as demonstration_model,
    export_files as export_files,
    is_model_folder as is_model_folder,
    load_description as load_description,
    load_network as load_network,
    record_evidence as record_evidence,
    record_exports as record_exports,
    record_scores as record_scores,
    save_model as save_model,
)

__all__ = [
    "Architecture",
    "Description",
    "Export",
    "Parity",
    "Preprocessing",
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
