from .backbone import Backbone as Backbone, count_parameters as count_parameters, multiply_adds as multiply_adds
from .normalisation import normalised_by as normalised_by
from .registry import create_backbone as create_backbone, list_backbones as list_backbones

__all__ = ["Backbone", "count_parameters", "create_backbone", "list_backbones", "multiply_adds", "normalised_by"]
