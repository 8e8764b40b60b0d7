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
CellPixels = NDArray[np.uint8]
"""(N, 3) RGB pixels of one image: those of its foreground, or with its glass."""


class StainStatistics(NamedTuple):
    """Two numbers of each channel that a method maps onto those of the reference, in its own colour space."""

    level: Triple
    """Where the channel lies, such as its mean."""
    contrast: Triple
    """How far its values are apart, such as their standard deviation; 0 or more."""


@dataclass(frozen=True)
class StainMethod:
    """A way to give cells the colours of a reference.

    `measure` takes pixels (N, 3); `normalize` takes them, their statistics and those of the reference, and returns the
    new pixels (N, 3) uint8. The pixels are the foreground of an image, or with `glass` also the bright glass around it.
    """

    name: str
    title: str
    measure: Callable[[CellPixels], StainStatistics]
    normalize: Callable[[CellPixels, StainStatistics, StainStatistics], CellPixels]
    glass: bool


def stain_method(
    name: str, *, title: str, measure: Callable[[CellPixels], StainStatistics], glass: bool = False
) -> Callable[[Callable[..., CellPixels]], StainMethod]:
    """Turn the function that normalises pixels into a registered method."""
    return lambda normalize: StainMethod(name, title, measure, normalize, glass)


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
