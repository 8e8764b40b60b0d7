"""How long a training step takes on this machine: forward and backward, measured, nothing learned."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from lymphoscope.training import Recipe


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step over one batch: the passes forward, and backward with the optimiser's step."""

    forward: float
    backward: float

    @property
    def total(self) -> float:
        """Seconds of the whole step."""
        return self.forward + self.backward


def measured_step(recipe: "Recipe", classes: int, steps: int = 3) -> StepTime:
    """The median of `steps` training steps on random pictures, after one that warms up; on a GPU where there is one.

    Reading and augmenting pictures is not in it: they run beside.
    """
    import torch

    from lymphoscope.training.hardware import device_of

    step = _step(recipe, classes, torch.device(device_of(recipe.hardware)))
    step()
    found = sorted((step() for _ in range(steps)), key=lambda each: each.total)
    return found[len(found) // 2]


def _step(recipe: "Recipe", classes: int, device: "torch.device") -> Callable[[], StepTime]:
    import torch

    from lymphoscope.method import fill_values
    from lymphoscope.training.hardware import autocast_dtype, resolved_precision
    from lymphoscope.training.losses import StepLosses
    from lymphoscope.training.start import starting_network
    from lymphoscope.training.step import optimiser_of

    fresh = recipe.model.model_copy(update={"initial_weights": None, "pretrained": False})
    network = starting_network(recipe.model_copy(update={"model": fresh}), classes)
    network = network.to(memory_format=torch.channels_last).to(device).train()
    losses = StepLosses(recipe, network, classes, None).to(device)
    optimiser = optimiser_of(network, recipe.optimisation)
    batch, size = recipe.optimisation.batch_size, recipe.data.size
    images = torch.randn(batch, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) % classes
    fill = fill_values(recipe.attention.fill, recipe.data.mean, recipe.data.std)
    half = autocast_dtype(resolved_precision(recipe.hardware.precision, device.type))

    def step() -> StepTime:
        forward = backward = 0.0
        started = _now(device)
        with torch.autocast(device.type, dtype=half or torch.bfloat16, enabled=half is not None):
            for group in losses(network, images, labels, fill):
                middle = _now(device)
                optimiser.zero_grad()
                torch.autograd.backward(torch.stack(list(group.values())).mean())
                optimiser.step()
                ended = _now(device)
                forward, backward, started = forward + middle - started, backward + ended - middle, ended
        return StepTime(forward, backward)

    return step


def _now(device: "torch.device") -> float:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
