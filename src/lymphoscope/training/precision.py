"""Which numbers a training computes in."""

from typing import Literal

import torch

from lymphoscope.processor import has_instructions
from lymphoscope.training.recipe import HardwareRecipe

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
