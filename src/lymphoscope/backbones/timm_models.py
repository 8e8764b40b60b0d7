"""Backbones from timm: convolutional models, and vision transformers with their tokens folded into a map."""

from functools import cache
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.backbones.pretrained import create_pretrained
from lymphoscope.backbones.stages import CutBackbone, cut_after, find_stage, stages_of
from lymphoscope.errors import LymphoscopeError

# timm's plain transformers: tokens in the order of the patches, position embeddings that adapt to the image size.
TRANSFORMERS = ("vision_transformer", "deit", "eva")
TRIAL_SIZE = 300


class TimmConvolutional(Backbone):
    """A convolutional model of timm, up to the last feature map before its pooling.

    Some models keep layers of their head even without classes (VGG, MobileNetV3): they are kept, unused.
    """

    def __init__(self, name: str, model: str, pretrained: bool = False) -> None:
        body = _create(model, pretrained)
        super().__init__(name, body.num_features)
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of images (B, 3, H, W)."""
        features: Tensor = self.body.forward_features(images)
        return features

    def cut(self, features: str | int) -> CutBackbone:
        """Return the network up to the stage `features`. Raises LymphoscopeError for an unknown stage."""
        stage = find_stage(features, stages_of(self.body, _feature_modules(self.body)), self.name)
        return CutBackbone(self.name, *cut_after(self.body, stage))


class TimmTransformer(Backbone):
    """A vision transformer of timm: its patch tokens (B, h*w, C) folded back into a map (B, C, h, w).

    Class and register tokens are left out. An image whose side is not a multiple of the patch is first resized,
    bilinearly, to the nearest multiple (300 pixels become 294 for patches of 14): padding it instead would shift the
    map against the image.
    """

    def __init__(self, name: str, model: str, pretrained: bool = False) -> None:
        body = _create(model, pretrained, dynamic_img_size=True)
        super().__init__(name, body.num_features)
        self.body = body
        self.patch: tuple[int, int] = body.patch_embed.patch_size

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of images (B, 3, H, W), h = H / patch rounded to the nearest, at least 1."""
        grid = [max(1, round(side / patch)) for side, patch in zip(images.shape[2:], self.patch, strict=True)]
        size = [count * patch for count, patch in zip(grid, self.patch, strict=True)]
        if list(images.shape[2:]) != size:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        tokens: Tensor = self.body.forward_features(images)[:, self.body.num_prefix_tokens :]  # (B, h*w, C)
        return tokens.transpose(1, 2).reshape(len(tokens), self.channels, *grid)

    def cut(self, features: str | int) -> "TimmTransformer":
        """Remove the blocks after the stage `features`, and the last normalisation; return the backbone itself."""
        stages = _feature_modules(self.body)
        index = stages.index(find_stage(features, stages, self.name))
        self.body.prune_intermediate_layers([index], prune_norm=True)
        return self


def timm_backbone(
    model: str, pretrained: bool = False, features: str | int | None = None, *, name: str | None = None
) -> Backbone:
    """Create a backbone from any convolutional model or plain vision transformer of timm, by timm's name for it.

    `features` is the stage whose features it gives, None for the last; `name` is the backbone's name, if not timm's.
    Raises LymphoscopeError for a model that gives no maps at 300 pixels, for an unknown stage, and if the ImageNet
    weights cannot be had here.
    """
    is_transformer = timm.models.is_model_in_modules(model, TRANSFORMERS)
    backbone_class = TimmTransformer if is_transformer else TimmConvolutional
    _check_gives_maps(backbone_class, model)
    backbone = backbone_class(name or model, model, pretrained)
    return backbone if features is None else backbone.cut(features)


def _feature_modules(body: nn.Module) -> list[str]:
    return [stage["module"] for stage in getattr(body, "feature_info", [])]


@cache  # a run creates the same network several times
def _check_gives_maps(backbone_class: type[TimmConvolutional] | type[TimmTransformer], model: str) -> None:
    # timm does not say which of its thousand models give maps; a trial on shapes alone does.
    try:
        with torch.device("meta"):
            trial = backbone_class(model, model).eval()
            shape = tuple(trial(torch.empty(1, 3, TRIAL_SIZE, TRIAL_SIZE)).shape)
    except (AssertionError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
    else:
        if len(shape) == 4 and shape[1] == trial.channels:
            return
        reason = f"it gives {shape}, not (1, {trial.channels}, h, w)"
    raise LymphoscopeError(
        f"backbone {model}: no feature maps at {TRIAL_SIZE} pixels ({reason}); use a convolutional model or a plain "
        "vision transformer"
    )


def _create(model: str, pretrained: bool, **options: bool) -> Any:
    choices: dict[str, Any] = {"num_classes": 0, "global_pool": "", **options}
    if pretrained:
        return create_pretrained(model, **choices)
    return timm.create_model(model, **choices)
