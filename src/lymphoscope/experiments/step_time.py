"""How long a training step takes on this machine: forward and backward, measured, nothing learned."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

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

    device = torch.device("cuda" if _takes_cuda(recipe) else "cpu")
    step = _step(recipe, classes, device)
    step()
    found = sorted((step() for _ in range(steps)), key=lambda each: each.total)
    return found[len(found) // 2]


def _takes_cuda(recipe: "Recipe") -> bool:
    import torch

    return torch.cuda.is_available() and recipe.hardware.accelerator in ("auto", "gpu", "cuda")


def _step(recipe: "Recipe", classes: int, device: Any) -> Callable[[], StepTime]:
    import torch

    from lymphoscope.model_file import build_network
    from lymphoscope.training import Ranger

    network = build_network(recipe.architecture(), classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    optimiser = Ranger(network.parameters(), recipe.optimisation.learning_rate)
    batch, size = recipe.optimisation.batch_size, recipe.data.size
    images = torch.randn(batch, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) % classes
    half = device.type == "cuda" and recipe.hardware.precision in ("auto", "bf16-mixed")

    def step() -> StepTime:
        optimiser.zero_grad()
        started = _now(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            loss = _loss(recipe, network, images, labels)
        middle = _now(device)
        loss.backward()
        optimiser.step()
        return StepTime(middle - started, _now(device) - middle)

    return step


def _loss(recipe: "Recipe", network: Any, images: "Tensor", labels: "Tensor") -> Any:
    from torch.nn import functional as F

    if recipe.streams == "raw":
        return F.cross_entropy(network(images).float(), labels)
    from lymphoscope.training.streams import ternary_passes

    passes = ternary_passes(network, images, recipe.attention, [0.0, 0.0, 0.0])
    losses = [F.cross_entropy(each.logits.float(), labels) for group in passes for each in group]
    return sum(losses) / len(losses)


def _now(device: Any) -> float:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
