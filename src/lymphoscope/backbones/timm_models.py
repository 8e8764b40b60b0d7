"""Backbones from timm: convolutional models as they are, vision transformers with their tokens folded into a map.

ImageNet weights of timm's models, as safetensors and nothing else.
"""

from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import timm
import torch
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from torch import Tensor
from torch.nn import functional as F

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.errors import LymphoscopeError

# timm's families of plain transformers: tokens in the order of the patches, positions that stretch with the image.
TRANSFORMERS = ("vision_transformer", "deit", "eva")
TRIAL_SIZE = 300


class TimmConvolutional(Backbone):
    """A convolutional model of timm, up to the last feature map before its pooling.

    Some models keep layers of their head even without classes (VGG, MobileNetV3): they stay, unused.
    """

    def __init__(self, name: str, pretrained: bool = False) -> None:
        body = _create(name, pretrained)
        super().__init__(name, body.num_features)
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of images (B, 3, H, W)."""
        features: Tensor = self.body.forward_features(images)
        return features


class TimmTransformer(Backbone):
    """A vision transformer of timm: its patch tokens (B, h*w, C) folded back into a map (B, C, h, w).

    Class and register tokens are left out. An image whose side is no multiple of the patch is first resized,
    bilinearly, to the nearest one (300 pixels become 294 for patches of 14): padding it instead would shift the map
    against the image.
    """

    def __init__(self, name: str, pretrained: bool = False) -> None:
        body = _create(name, pretrained, dynamic_img_size=True)
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


def timm_backbone(name: str, pretrained: bool = False) -> Backbone:
    """Make a backbone of any of timm's convolutional models or plain vision transformers, by timm's name for it.

    Raises LymphoscopeError for a model that gives no maps at 300 pixels, and where ImageNet weights are wanted and
    can't be had (`pretrained_file`).
    """
    kind = TimmTransformer if timm.models.is_model_in_modules(name, TRANSFORMERS) else TimmConvolutional
    _check_gives_maps(kind, name)
    return kind(name, pretrained)


def _check_gives_maps(kind: type[TimmConvolutional] | type[TimmTransformer], name: str) -> None:
    # timm's facts don't say which of its thousand models give maps: a trial on shapes alone, without numbers, does.
    try:
        with torch.device("meta"):
            trial = kind(name).eval()
            shape = tuple(trial(torch.empty(1, 3, TRIAL_SIZE, TRIAL_SIZE)).shape)
    except (AssertionError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
    else:
        if len(shape) == 4 and shape[1] == trial.channels:
            return
        reason = f"it gives {shape}, not (1, {trial.channels}, h, w)"
    raise LymphoscopeError(
        f"backbone {name}: no feature maps at {TRIAL_SIZE} pixels ({reason}); take a convolutional model or a plain "
        "vision transformer"
    )


def _create(name: str, pretrained: bool, **options: Any) -> Any:
    options |= {"num_classes": 0, "global_pool": ""}
    if not pretrained:
        return timm.create_model(name, **options)
    file = {"file": str(pretrained_file(name)), "custom_load": False}
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=file, **options)
    except RuntimeError as error:
        raise LymphoscopeError(f"backbone {name}: timm's weights do not fit it; set pretrained: false") from error


SECONDS_TO_ANSWER = 5.0


def pretrained_file(name: str) -> Path:
    """Safetensors file of a timm model's weights, from the local cache or else downloaded into it.

    Raises LymphoscopeError, within seconds, where timm has no such file for the model or the machine can't fetch it.
    """
    facts = timm.get_pretrained_cfg(name)
    filename = (facts and facts.hf_hub_filename) or constants.SAFETENSORS_SINGLE_FILE
    if facts is None or not facts.hf_hub_id or Path(filename).suffix != ".safetensors":
        raise LymphoscopeError(f"backbone {name}: timm has no safetensors weights of it; set pretrained: false")
    cached = try_to_load_from_cache(facts.hf_hub_id, filename, cache_dir=constants.HF_HUB_CACHE)
    if isinstance(cached, str):
        return Path(cached)
    return _download(name, facts.hf_hub_id, filename)


def _download(name: str, repository: str, filename: str) -> Path:
    try:
        _check_reachable()
        return Path(hf_hub_download(repository, filename, cache_dir=constants.HF_HUB_CACHE))
    except OSError as error:
        reason = str(getattr(error, "reason", error)).partition("\n")[0]
        raise LymphoscopeError(
            f"backbone {name}: its ImageNet weights can't be had here ({reason}); set pretrained: false, or run this "
            f"where there is a network and bring the folder {constants.HF_HUB_CACHE}"
        ) from error


def _check_reachable() -> None:
    # Without a network the download itself gives up only after half a minute of trying again.
    try:
        urlopen(constants.ENDPOINT, timeout=SECONDS_TO_ANSWER).close()  # noqa: S310  https unless a user set his own
    except HTTPError:
        return  # an answer, if not a kind one: the download will say more
