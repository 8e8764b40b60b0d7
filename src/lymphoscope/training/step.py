"""One optimiser step of a recipe outside Lightning, to be timed: what an epoch will take is known before it begins."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lymphoscope.method import fill_values
from lymphoscope.training.hardware import autocast_dtype, compile_backbone, device_of, resolved_precision
from lymphoscope.training.losses import StepLosses
from lymphoscope.training.optimiser import Ranger, parameter_groups
from lymphoscope.training.recipe import OptimisationRecipe, Recipe
from lymphoscope.training.start import starting_network


def normalized(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Images (B, 3, S, S) of uint8 -> (image / 255 - mean) / std in float32, channels last; mean and std (3, 1, 1)."""
    # Channels last while still a byte a value: a quarter of the memory is moved.
    scaled = images.contiguous(memory_format=torch.channels_last).float()
    return scaled.mul_(1.0 / (255.0 * std)).sub_(mean / std)


def optimiser_of(network: nn.Module, chosen: OptimisationRecipe) -> torch.optim.Optimizer:
    """Create Ranger (section 3.1) or AdamW over the weights that train."""
    groups = parameter_groups(network, chosen)
    if chosen.optimiser == "ranger":
        return Ranger(groups, chosen.learning_rate, weight_decay=chosen.weight_decay)
    return torch.optim.AdamW(groups, chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True)


def measured_step(recipe: Recipe, num_classes: int = 2, *, rounds: int = 3, device: str | None = None) -> float:
    """Median seconds of `rounds` training steps of a recipe on this machine, after one that is not counted.

    Real steps on random pictures from fresh weights: forward, backward and optimiser at the recipe's size, batch size
    and precision. Reading and augmenting cells is not in it, and validation is not.
    """
    where = torch.device(device or device_of(recipe.hardware))
    unread = recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"initial_weights": None, "pretrained": False})}
    )
    step = training_step(unread, num_classes, where)
    return statistics.median([seconds(step, where) for _ in range(rounds + 1)][1:])


def training_step(recipe: Recipe, num_classes: int, device: torch.device) -> Callable[[], Tensor]:
    """A function that takes one training step on a batch of random pictures and returns its loss, a scalar."""
    network = starting_network(recipe, num_classes).to(memory_format=torch.channels_last).to(device).train()
    if recipe.hardware.compile:
        compile_backbone(network, recipe, device)
    losses = StepLosses(recipe, network, num_classes, None).to(device)
    optimiser = optimiser_of(network, recipe.optimisation)
    side, count = recipe.data.size, recipe.optimisation.batch_size
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, device=device)
    labels = torch.arange(count, device=device) % num_classes
    mean, std = (torch.tensor(value, device=device).view(3, 1, 1) for value in (recipe.data.mean, recipe.data.std))
    fill = fill_values(recipe.attention.fill, recipe.data.mean, recipe.data.std)
    dtype = autocast_dtype(resolved_precision(recipe.hardware.precision, device.type))

    def step() -> Tensor:
        total = torch.zeros((), device=device)
        with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            for group in losses(network, normalized(images, mean, std), labels, fill):
                loss = torch.stack(list(group.values())).mean()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                total += loss.detach()
        return total

    return step


def seconds(step: Callable[[], object], device: torch.device) -> float:
    """Time one call, and what it left to do on the device."""
    _wait(device)
    begun = time.perf_counter()
    step()
    _wait(device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
