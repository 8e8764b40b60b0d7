"""An architecture -> the network."""

from typing import TYPE_CHECKING

from lymphoscope.model_file.description import Architecture

if TYPE_CHECKING:
    from torch import nn


def build_network(architecture: Architecture, num_classes: int, *, pretrained: bool = False) -> "nn.Module":
    """Make the network that an architecture names, with fresh weights or a backbone's ImageNet weights.

    Images (B, 3, H, W) -> logits (B, K) and attention maps (B, M, h, w) for the attention head, logits alone for the
    linear one. Raises LymphoscopeError for an unknown backbone and for ImageNet weights that cannot be had here.
    """
    from lymphoscope.backbones import create_backbone, normalised_by
    from lymphoscope.method import WTDFN, PlainNetwork

    backbone = create_backbone(architecture.backbone, pretrained=pretrained)
    if architecture.head == "linear":
        return normalised_by(PlainNetwork(backbone, num_classes), architecture.norm)
    options = architecture.model_dump(include={"num_maps", "bias", "signed_sqrt", "l2", "scale"})
    return normalised_by(WTDFN(backbone, num_classes, **options), architecture.norm)
