"""The one check on numbers: that they are numbers."""

import torch
from torch import Tensor

from lymphoscope.errors import LymphoscopeError


def check_finite(values: Tensor, what: str) -> None:
    """Refuse NaN and infinity in a tensor of any shape, saying in one line what holds them.

    Raises LymphoscopeError. On CUDA asserts on the device instead, so that nothing waits for it: the device prints
    the line, and the next operation that does wait raises (nothing here waits for the device).
    A graph that is exported holds no check.
    """
    if torch.compiler.is_exporting():
        return
    finite = values.isfinite().all()
    message = f"{what}: NaN or infinity; lower the learning rate, or use float32 instead of half precision"
    if values.device.type == "cuda":
        torch._assert_async(finite, message)
    elif not finite:
        raise LymphoscopeError(message)
