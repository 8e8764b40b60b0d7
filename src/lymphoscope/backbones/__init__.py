"""Name -> feature extractor: timm's models by name, and the two Inceptions that timm lacks."""

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.backbones.complexity import count_parameters, multiply_adds
from lymphoscope.backbones.normalisation import normalised_by
from lymphoscope.backbones.registry import create_backbone, list_backbones

__all__ = ["Backbone", "count_parameters", "create_backbone", "list_backbones", "multiply_adds", "normalised_by"]
