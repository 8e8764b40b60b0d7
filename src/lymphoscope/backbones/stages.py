"""Cut a network after one of its stages, so that the head gets the features of that stage (`model.features`).

Chromatin texture, which tells blasts from normal lymphocytes, is encoded in the middle of an ImageNet network. Cutting
there also makes the network smaller and faster.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.errors import LymphoscopeError

_CHECK_SIZE = 96  # pixels; InceptionV4 gives no feature map below 75
_TOLERANCE = 1e-4


class CutBackbone(Backbone):
    """The first stages of a sequential network; `body` holds them under the names that they have in the whole one."""

    def __init__(self, name: str, body: nn.Sequential, channels: int) -> None:
        super().__init__(name, channels)
        self.body = body
        # In a list, because its parts belong to `body` already.
        self._early: list[FrozenStages] = []

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of images (B, 3, H, W)."""
        if not self._early:
            features: Tensor = self.body(images)
            return features
        features = self._early[0](images)
        for late in self._early[0].later:
            features = late(features)
        return features

    def freeze_through(self, features: str | int) -> Self:
        """Fix the stages up to and including `features`, as `freeze` fixes all; later ones remain trainable.

        The statistics of the batch norm of later stages are fixed too: those of a few images of one laboratory travel
        worse than those of the initial weights. Raises LymphoscopeError for an unknown stage.
        """
        items = [
            (f"{name}.{item}", module)
            for name, child in self.body.named_children()
            for item, module in (child.named_children() if isinstance(child, nn.Sequential) else [("", child)])
        ]
        names = [name.rstrip(".") for name, _ in items]
        count = names.index(find_stage(features, names, self.name)) + 1
        modules = [module for _, module in items]
        self._early = [FrozenStages(self.name, modules[:count], modules[count:])]
        return self

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, except for frozen stages and the statistics of batch norm beside them."""
        super().train(mode)
        for early in self._early:
            early.train(mode)
            for norm in (each for each in self.modules() if isinstance(each, nn.BatchNorm2d)):
                norm.eval()
        return self


class FrozenStages(Backbone):
    """The first stages of a network, which are frozen; `later` are the others."""

    def __init__(self, name: str, early: Sequence[nn.Module], later: Sequence[nn.Module]) -> None:
        super().__init__(name, 0)
        self.body = nn.Sequential(*early)
        self.later = tuple(later)
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Features of images (B, 3, H, W)."""
        features: Tensor = self.body(images)
        return features


class SequentialBackbone(Backbone):
    """A backbone that runs its children in order; `stages` names those after which it can be cut."""

    stages: tuple[str, ...] = ()

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of images (B, 3, H, W)."""
        features = images
        for child in self.children():
            features = child(features)
        return features

    def cut(self, features: str | int) -> CutBackbone:
        """Return the network up to the stage `features`. Raises LymphoscopeError for an unknown stage."""
        return CutBackbone(self.name, *cut_after(self, find_stage(features, self.stages, self.name)))


def find_stage(features: str | int, stages: Sequence[str], backbone: str) -> str:
    """Return the stage that `features` names: by name (`blocks.3`, or short `block3`) or by index into `stages`.

    Raises LymphoscopeError for an unknown stage; the message lists the known ones.
    """
    if isinstance(features, int):
        if -len(stages) <= features < len(stages):
            return stages[features]
    elif matches := [stage for stage in stages if _short(stage) == _short(features)]:
        return matches[0]
    names = ", ".join(stages) or "none"
    raise LymphoscopeError(f"backbone {backbone} has no stage {features!r} (`model.features`); its stages are {names}")


def _short(stage: str) -> str:
    """Name a stage without plural and separator: `blocks.3`, `block_3` and `block3` are the same stage."""
    return re.sub(r"s?[._]?(?=\d+$)", "", stage)


def stages_of(body: nn.Module, feature_modules: Sequence[str]) -> list[str]:
    """Return the modules after which a network can be cut, in order, up to the last of `feature_modules`.

    Those are the `feature_modules` (timm's `feature_info`), and all items of the sequences that hold them: timm lists
    only the last block of each resolution.
    """
    stages: list[str] = []
    for name in feature_modules:
        parent = name.rpartition(".")[0]
        items = [f"{parent}.{item}" for item, _ in body.get_submodule(parent).named_children()] if parent else [name]
        stages += [item for item in items if item not in stages]
    return stages[: stages.index(feature_modules[-1]) + 1] if stages else []


def cut_after(body: nn.Module, stage: str) -> tuple[nn.Sequential, int]:
    """Return the part of a network up to and including `stage`, and the number of channels that it gives.

    Raises LymphoscopeError if the network is not sequential: if its children in a row do not compute what it computes.
    """
    child_name, _, item = stage.partition(".")
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in body.named_children():
        parts[name] = child
        if name == child_name:
            break
    if item:
        items = list(parts[child_name].named_children())
        last = [name for name, _ in items].index(item)
        parts[child_name] = nn.Sequential(OrderedDict(items[: last + 1]))
    trunk = nn.Sequential(parts)
    expected, actual = _outputs_of_stage(body, trunk, stage)
    if actual is None or actual.shape != expected.shape or not _are_close(actual, expected):
        raise LymphoscopeError(f"this backbone cannot be cut after {stage}: it is not a sequence of its stages")
    return trunk, actual.shape[1]


def _are_close(actual: Tensor, expected: Tensor) -> bool:
    return actual.is_meta or torch.allclose(actual, expected, atol=_TOLERANCE)


def _outputs_of_stage(body: nn.Module, trunk: nn.Sequential, stage: str) -> tuple[Tensor, Tensor | None]:
    """Return the output of a stage within the whole network, and that of the cut network, for one small image."""
    like = next(trunk.parameters())
    images = torch.rand(1, 3, _CHECK_SIZE, _CHECK_SIZE, generator=torch.Generator().manual_seed(0)).to(like.device)
    outputs: list[Tensor] = []
    hook = body.get_submodule(stage).register_forward_hook(lambda *call: outputs.append(call[2].clone()))
    training = body.training
    try:
        with torch.no_grad():
            body.eval()(images)
            hook.remove()
            return outputs[0], trunk.eval()(images)
    except (RuntimeError, TypeError):
        return outputs[0], None
    finally:
        hook.remove()
        body.train(training)
        trunk.train(training)
