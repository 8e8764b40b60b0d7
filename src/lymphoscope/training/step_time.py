"""How long a training step of a recipe takes on this machine, measured before a long run."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from lymphoscope.method import fill_values
from lymphoscope.training.batches import channel_values, normalise_images
from lymphoscope.training.hardware import (
    autocast,
    autocast_dtype,
    compile_backbone,
    resolve_device,
    resolve_precision,
)
from lymphoscope.training.initial_network import build_initial_network
from lymphoscope.training.losses import StepLosses
from lymphoscope.training.optimiser import create_optimiser
from lymphoscope.training.recipe import Recipe


@dataclass(frozen=True)
class StepTime:
    """Seconds of one training step: the forward passes, and backward with the optimiser step."""

    forward: float
    backward: float

    @property
    def total(self) -> float:
        """Seconds of the whole step."""
        return self.forward + self.backward


def measure_step(recipe: Recipe, num_classes: int = 2, *, rounds: int = 3, device: str | None = None) -> StepTime:
    """Measure the median training step of `rounds` after a warm-up step, on a GPU if there is one.

    Steps are real ones on random images from new weights: forward, backward and optimiser at the recipe's size, batch
    size and precision. Loading and augmenting cells and validation are not included.
    """
    new_weights = {"initial_weights": None, "pretrained": False}
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update=new_weights)})
    step = TimedStep(recipe, num_classes, torch.device(device or resolve_device(recipe.hardware)))
    step()
    for _ in range(rounds):
        step()
    return StepTime(
        statistics.median(time.forward for time in step.times[1:]),
        statistics.median(time.backward for time in step.times[1:]),
    )


class TimedStep:
    """Calling it takes one training step on a batch of random images, adds to `times`, and returns the loss."""

    def __init__(self, recipe: Recipe, num_classes: int, device: torch.device) -> None:
        self.device, self.times = device, list[StepTime]()
        self.network = (
            build_initial_network(recipe, num_classes).to(memory_format=torch.channels_last).to(device).train()
        )
        if recipe.hardware.compile:
            compile_backbone(self.network, recipe, device)
        self.losses = StepLosses(recipe, self.network, num_classes, None).to(device)
        self.optimiser = create_optimiser(self.network, recipe.optimisation)
        side, count = recipe.data.size, recipe.optimisation.batch_size
        self.images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, device=device)
        self.labels = torch.arange(count, device=device) % num_classes
        self.mean, self.std = (channel_values(values, device) for values in (recipe.data.mean, recipe.data.std))
        self.fill = fill_values(recipe.attention.fill, recipe.data.mean, recipe.data.std)
        self.dtype = autocast_dtype(resolve_precision(recipe.hardware.precision, device.type))

    def __call__(self) -> Tensor:
        """Take one step; return the loss, a scalar."""
        total = torch.zeros((), device=self.device)
        forward = backward = 0.0
        start = self._now()
        with autocast(self.dtype, self.device):
            images = normalise_images(self.images, self.mean, self.std)
            for group in self.losses(self.network, images, self.labels, self.fill):
                loss = torch.stack(list(group.values())).mean()
                middle = self._now()
                self.optimiser.zero_grad()
                torch.autograd.backward(loss)
                self.optimiser.step()
                total += loss.detach()
                end = self._now()
                forward, backward, start = forward + middle - start, backward + end - middle, end
        self.times.append(StepTime(forward, backward))
        return total

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
