"""Name -> backbone."""

from collections.abc import Callable
from difflib import get_close_matches

import timm

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.backbones.inception import InceptionV1, InceptionV2
from lymphoscope.backbones.timm_models import timm_backbone
from lymphoscope.errors import LymphoscopeError

WRITTEN_HERE: dict[str, Callable[[], Backbone]] = {"inception_v1": InceptionV1, "inception_v2": InceptionV2}

# Table 3 in its order (the variants that reproduce its counts), then the two of Figure 6 it lacks.
PAPER = {
    "resnet18": "ResNet18",
    "resnet34": "ResNet34",
    "legacy_seresnext26_32x4d": "SE-ResNeXt26",
    "seresnext50_32x4d": "SE-ResNeXt50",
    "mobilenetv2_100": "MobileNetV2",
    "inception_v1": "InceptionV1",
    "inception_v2": "InceptionV2",
    "inception_v3": "InceptionV3",
    "inception_v4": "InceptionV4",
    "inception_resnet_v2": "Inception-ResNetV2",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
}


def list_backbones() -> dict[str, str]:
    """Names of the paper's backbones, and what the paper calls each; timm's other models are taken by name too."""
    return dict(PAPER)


def create_backbone(name: str, *, pretrained: bool = False) -> Backbone:
    """Make a backbone by name, with fresh weights or, where timm has them, those of ImageNet.

    Names are those of `list_backbones` and of timm's convolutional models and plain vision transformers.
    Raises LymphoscopeError for an unknown name, with the nearest known one, and for ImageNet weights that can't be had.
    """
    if name in WRITTEN_HERE:
        if pretrained:
            raise LymphoscopeError(f"backbone {name}: written here, without ImageNet weights; set pretrained: false")
        return WRITTEN_HERE[name]()
    if ":" in name or not timm.is_model(name):
        known = [*PAPER, *timm.list_models()]
        nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise LymphoscopeError(f"no backbone is called {name!r}; the nearest known name is {nearest!r}")
    return timm_backbone(name, pretrained)
