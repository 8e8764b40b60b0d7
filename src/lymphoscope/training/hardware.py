"""Which numbers a training computes in.

torch.compile where a recipe asks for it, and none where it cannot be had: training goes on either way.
"""

import copy
import sys
from typing import Literal

import torch
from torch import nn

from lymphoscope.processor import has_instructions
from lymphoscope.training.recipe import HardwareRecipe, Recipe

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def resolved_precision(wanted: Literal["auto", "32-true", "bf16-mixed", "16-mixed"], device: str) -> Precision:
    """Precision on a device (`cpu`, `cuda`): `auto` is half precision where the hardware computes in it."""
    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if _cpu_has_bf16() else "32-true"


def device_of(hardware: HardwareRecipe) -> Literal["cuda", "cpu"]:
    """The kind of device that Lightning takes by a recipe's word."""
    return "cuda" if hardware.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"


def autocast_dtype(precision: Precision) -> torch.dtype | None:
    """What autocast computes in, None where it is off."""
    return {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]


def _cpu_has_bf16() -> bool:
    """Elsewhere bfloat16 is computed in float32 with conversions, which is slower than float32."""
    return has_instructions("avx512_bf16")


def compile_backbone(network: nn.Module, recipe: Recipe, device: torch.device) -> bool:
    """Have `network.backbone` compiled in place, after a trial; say in one line why not where that fails.

    The trial is a step of a copy at the recipe's size and precision, so that the network's weights, batch norm and
    random numbers are left alone. Names of weights do not change. Returns whether the backbone is compiled.
    """
    backbone = network.get_submodule("backbone")
    kept = torch.get_rng_state()
    try:
        _trial(copy.deepcopy(backbone).to(device).train(), recipe, device)
    except RuntimeError as error:  # of every kind that torch.compile has for a missing compiler or a graph that fails
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        print(f"hardware.compile: not compiled, training goes on without ({reason:.150})", file=sys.stderr, flush=True)
        return False
    finally:
        torch.set_rng_state(kept)
    backbone.compile()
    return True


def _trial(backbone: nn.Module, recipe: Recipe, device: torch.device) -> None:
    backbone.compile()
    side, count = recipe.data.size, recipe.optimisation.batch_size
    images = torch.zeros(count, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    dtype = autocast_dtype(resolved_precision(recipe.hardware.precision, device.type))
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        mean = backbone(images).float().mean()
        if mean.requires_grad:  # not of a frozen backbone
            torch.autograd.backward(mean)
