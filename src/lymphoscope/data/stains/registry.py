"""The registry of stain normalisation methods: every module of this folder registers one, named like the module.

To add a method, add a module with one function decorated with `stain_method`; recipes, model files and errors take it
from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError

NO_STAIN_METHOD = "none"
"""The name in a recipe for no stain normalisation."""

Triple = tuple[float, float, float]
ForegroundPixels = NDArray[np.uint8]
"""(N, 3) RGB pixels of the foreground of one image."""


class StainStatistics(NamedTuple):
    """Mean and standard deviation of each channel over the foreground, in the colour space of the method."""

    mean: Triple
    deviation: Triple


@dataclass(frozen=True)
class StainMethod:
    """A way to give cells the colours of a reference.

    `measure` takes foreground pixels (N, 3); `normalize` takes them, their statistics and those of the reference, and
    returns the new pixels (N, 3) uint8.
    """

    name: str
    title: str
    measure: Callable[[ForegroundPixels], StainStatistics]
    normalize: Callable[[ForegroundPixels, StainStatistics, StainStatistics], ForegroundPixels]


def stain_method(
    name: str, *, title: str, measure: Callable[[ForegroundPixels], StainStatistics]
) -> Callable[[Callable[..., ForegroundPixels]], StainMethod]:
    """Turn the function that normalises foreground pixels into a registered method."""
    return lambda normalize: StainMethod(name, title, measure, normalize)


@cache
def stain_method_names() -> tuple[str, ...]:
    """Return `none` and the names of all methods, without importing them."""
    modules = (module.name for module in iter_modules([str(Path(__file__).parent)]))
    return (NO_STAIN_METHOD, *sorted(name for name in modules if name != Path(__file__).stem))


@cache
def get_stain_method(name: str) -> StainMethod:
    """Return a method by name. Raises LymphoscopeError for an unknown name."""
    if name in stain_method_names()[1:]:
        for value in vars(import_module(f"{__package__}.{name}")).values():
            if isinstance(value, StainMethod) and value.name == name:
                return value
    raise LymphoscopeError(f"stain normalisation {name!r} is unknown: use one of {', '.join(stain_method_names())}")
