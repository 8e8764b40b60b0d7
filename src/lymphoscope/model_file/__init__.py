"""A trained model on disk: what it is, how it is written and read."""

from lymphoscope.model_file.card import model_card
from lymphoscope.model_file.description import Architecture, Description, Preprocessing, TestTime, Thresholds
from lymphoscope.model_file.folder import (
    demonstration_model,
    is_model_folder,
    load_description,
    load_network,
    record_scores,
    save_model,
)
from lymphoscope.model_file.network import build_network

__all__ = [
    "Architecture",
    "Description",
    "Preprocessing",
    "TestTime",
    "Thresholds",
    "build_network",
    "demonstration_model",
    "is_model_folder",
    "load_description",
    "load_network",
    "model_card",
    "record_scores",
    "save_model",
]
