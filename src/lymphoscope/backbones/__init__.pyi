from .backbone import Backbone as Backbone, count_parameters as count_parameters, multiply_adds as multiply_adds
from .normalisation import convert_norm as convert_norm
from .registry import (
    create_backbone as create_backbone,
    list_backbones as list_backbones,
    pretrained_normalisation as pretrained_normalisation,
    register_backbone as register_backbone,
)
from .stages import CutBackbone as CutBackbone

__all__ = [
    "Backbone",
    "CutBackbone",
    "convert_norm",
    "count_parameters",
    "create_backbone",
    "list_backbones",
    "multiply_adds",
    "pretrained_normalisation",
    "register_backbone",
]
