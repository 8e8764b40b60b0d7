"""The optimiser and its learning rate (section 3.1): Ranger, which is RAdam + Lookahead + gradient centralisation."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import RAdam

from lymphoscope.training.recipe import OptimisationRecipe


def create_optimiser(network: nn.Module, recipe: OptimisationRecipe) -> torch.optim.Optimizer:
    """Create Ranger or AdamW over the trainable weights of a network."""
    groups = parameter_groups(network, recipe)
    if recipe.optimiser == "ranger":
        return Ranger(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)


def parameter_groups(network: nn.Module, recipe: OptimisationRecipe) -> list[dict[str, Any]]:
    """Group the trainable weights by learning rate; `lr_scale` of a group is its rate as a multiple of the recipe's.

    The head comes first, at 1. The last stage of the backbone has `backbone_lr_scale`, and each stage before it
    `stage_lr_decay` times the rate of the next one.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    stages = list(dict.fromkeys(stage for stage in map(_backbone_stage, weights) if stage is not None))
    scales = {
        stage: recipe.backbone_lr_scale * recipe.stage_lr_decay**distance
        for distance, stage in enumerate(reversed(stages))
    }
    if all(scale == 1.0 for scale in scales.values()):
        return [{"params": list(weights.values()), "lr_scale": 1.0}]
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, weight in weights.items():
        stage = _backbone_stage(name)
        groups.setdefault(1.0 if stage is None else scales[stage], []).append(weight)
    return [{"params": group, "lr_scale": scale} for scale, group in groups.items() if group]


def _backbone_stage(parameter: str) -> str | None:
    """Return the stage of the backbone that a parameter belongs to (`body.blocks.3`), None for the head."""
    stage = re.match(r"backbone\.((?:body\.)?[^.]+(?:\.\d+)?)", parameter)
    return stage and stage[1]


def learning_rate_factor(recipe: OptimisationRecipe, epoch: float) -> float:
    """Return the factor of the learning rate: linear warm-up, then x`decay` every `decay_every` epochs or a cosine.

    `epoch` counts from zero and may be a fraction: warm-up rises with every step.
    """
    if epoch < recipe.warmup_epochs:
        return (epoch + 1e-3) / recipe.warmup_epochs
    past = epoch - recipe.warmup_epochs
    if recipe.schedule == "steps":
        return float(recipe.decay ** (int(past) // recipe.decay_every))
    return 0.5 * (1.0 + math.cos(math.pi * min(past / max(recipe.epochs - recipe.warmup_epochs, 1), 1.0)))


class Ranger(RAdam):
    """RAdam (Liu et al. 2020) with Lookahead (Zhang et al. 2019) and gradient centralisation (Yong et al. 2020).

    Every `k` steps the slow weights move by `alpha` towards the fast ones, which continue from there. The slow weights
    start as the weights before the first step and are part of the optimiser's state, so that a resumed run is identical
    to one that was never stopped. Weight decay is decoupled (AdamW's).
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 0.01,
        *,
        k: int = 6,
        alpha: float = 0.5,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, decoupled_weight_decay=True)
        self.k, self.alpha = k, alpha

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; the closure, if any, is called once, before it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        centralize_gradients(parameters)
        slow = [self._slow_weights(p) for p in parameters]
        super().step()
        self._look_ahead(parameters, slow)
        return loss

    def _slow_weights(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "slow" not in state:
            # RAdam creates its own state only where the state is empty, so all of it is created here.
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["slow"] = parameter.detach().clone()
        slow: Tensor = state["slow"]
        return slow

    @torch.no_grad()
    def _look_ahead(self, parameters: list[Tensor], slow_weights: list[Tensor]) -> None:
        pairs = zip(parameters, slow_weights, strict=True)
        due = [(fast, slow) for fast, slow in pairs if int(self.state[fast]["step"]) % self.k == 0]
        if due:
            fast, slow = (list(side) for side in zip(*due, strict=True))
            torch._foreach_lerp_(slow, fast, self.alpha)
            torch._foreach_copy_(fast, slow)


@torch.no_grad()
def centralize_gradients(parameters: Iterable[Tensor]) -> None:
    """Subtract from the gradient of each convolution and linear weight its mean over all but the output dimension.

    Yong et al. (2020), Eq. 1. Gradients of vectors (biases, batch norm) are unchanged.
    """
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.ndim > 1:
            gradient -= gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True)
