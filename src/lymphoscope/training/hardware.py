"""Device, number format and compilation of a training: `auto` resolved for this machine."""

import copy
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.processor import has_instructions
from lymphoscope.training.recipe import HardwareRecipe, Recipe

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def resolve_device(hardware: HardwareRecipe) -> Literal["cuda", "cpu"]:
    """Return the kind of device that Lightning uses for a recipe."""
    return "cuda" if hardware.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"


def check_hardware(hardware: HardwareRecipe) -> None:
    """Raise LymphoscopeError, in one line, for an accelerator, devices or a strategy that this machine does not have.

    Lightning decides: it is asked for a trainer, which starts no process and no training.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with hardware_faults(hardware), warnings.catch_warnings(action="ignore"):
        lightning.Trainer(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            strategy=hardware.strategy,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


@contextmanager
def hardware_faults(hardware: HardwareRecipe) -> Iterator[None]:
    """Raise what Lightning raises for hardware that is not here as LymphoscopeError, in one line."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        options = f"accelerator={hardware.accelerator}, devices={hardware.devices}, strategy={hardware.strategy}"
        reason = one_line(error)
        raise LymphoscopeError(f"`hardware`: {options} does not work on this machine: {reason:.300}") from error


def resolve_precision(precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"], device: str) -> Precision:
    """Resolve `auto` on a device (`cpu`, `cuda`): half precision where the hardware computes in it."""
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    # Other processors emulate bfloat16 with conversions, which is slower than float32.
    return "bf16-mixed" if has_instructions("avx512_bf16") else "32-true"


def resolve_workers(workers: int | Literal["auto"]) -> int:
    """Resolve `auto`: none on a small machine, where the threads of the network need the cores more."""
    if workers != "auto":
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if cores <= 2 else min(16, cores - 1)


def autocast_dtype(precision: Precision) -> torch.dtype | None:
    """Return the number format of autocast, None where it is off."""
    return {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """Return an autocast context for a number format; None switches it off."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def compile_backbone(network: nn.Module, recipe: Recipe, device: torch.device) -> bool:
    """Compile `network.backbone` in place after a trial; if that fails, print the reason in one line.

    The trial is a step of a copy at the recipe's size and precision, so that the weights, the batch norm and the random
    numbers of the network are unchanged. Names of weights do not change. Returns whether the backbone is compiled.
    """
    backbone = network.get_submodule("backbone")
    random_state = torch.get_rng_state()
    try:
        _try_compiled_step(copy.deepcopy(backbone).to(device).train(), recipe, device)
    except RuntimeError as error:  # which torch.compile raises for a missing compiler and for a graph that fails
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        print(f"hardware.compile: training continues without compilation ({reason:.150})", file=sys.stderr, flush=True)
        return False
    finally:
        torch.set_rng_state(random_state)
    backbone.compile()
    return True


def _try_compiled_step(backbone: nn.Module, recipe: Recipe, device: torch.device) -> None:
    backbone.compile()
    side, count = recipe.data.size, recipe.optimisation.batch_size
    images = torch.zeros(count, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    with autocast(autocast_dtype(resolve_precision(recipe.hardware.precision, device.type)), device):
        mean = backbone(images).float().mean()
        if mean.requires_grad:  # not of a frozen backbone
            torch.autograd.backward(mean)
