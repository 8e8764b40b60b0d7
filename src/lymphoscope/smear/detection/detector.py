"""What a detector of white cells takes and returns, and the detectors by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""

MARKS = MappingProxyType(
    {
        "touching": "touches another white cell",
        "doublet": "may be two cells that could not be separated",
        "cut_by_edge": "is cut by the edge of the field",
        "smudge": "smudge: a burst cell without a sharp nucleus",
        "platelet_clump": "may be a clump of platelets",
        "stain_deposit": "may be a deposit of stain",
    }
)
"""Mark of a found cell -> what it says."""


@dataclass(frozen=True)
class Detections:
    """The white cells of one field.

    `boxes` (N, 4) are x, y, width and height in pixels of the image, `outlines` N polygons (K, 2) of x, y, `scores`
    (N,) how certain it is that this is a white cell, 0 to 1, and `marks` the names of `MARKS` for each cell.
    """

    boxes: NDArray[np.float32]
    outlines: tuple[NDArray[np.float32], ...]
    scores: NDArray[np.float32]
    marks: tuple[frozenset[str], ...]

    @classmethod
    def empty(cls) -> "Detections":
        """Return no cells."""
        return cls(np.zeros((0, 4), np.float32), (), np.zeros(0, np.float32), ())

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, indices: NDArray[np.intp]) -> "Detections":
        """Return the cells of the given indices, in that order."""
        return Detections(
            self.boxes[indices],
            tuple(self.outlines[index] for index in indices),
            self.scores[indices],
            tuple(self.marks[index] for index in indices),
        )


class Detector(Protocol):
    """Finds white cells in a field."""

    @property
    def name(self) -> str:
        """The name by which `load_detector` returns it, or the name in its model file."""

    def detect(self, image: Pixels, microns_per_pixel: float) -> Detections:
        """Find the white cells of an image (H, W, 3) uint8 RGB. Returns no cells where there are none."""


_DEFAULT = "center-points"
_SUFFIX = "_detector"


@cache
def detector_names() -> tuple[str, ...]:
    """Return the detectors that ship, the default first: each is a module of this folder, NAME_detector.py."""
    modules = (module.name for module in iter_modules([str(Path(__file__).parent)]))
    names = {name.removesuffix(_SUFFIX).replace("_", "-") for name in modules if name.endswith(_SUFFIX)}
    return (_DEFAULT, *sorted(names - {_DEFAULT}))


def default_detector() -> str:
    """Return the name of the detector that is used if none is given."""
    return _DEFAULT


def load_detector(name_or_folder: str | None = None) -> Detector:
    """Return a detector that ships by name, or a trained one from its folder; None gives the default.

    Raises LymphoscopeError if there is none of this name, or the folder is not a detector.
    """
    name = name_or_folder or _DEFAULT
    if name in detector_names():
        create: Callable[[], Detector] = _module(name).create
        return create()
    if Path(name).is_dir():
        load: Callable[[Path], Detector] = _module(_DEFAULT).load
        return load(Path(name))
    raise LymphoscopeError(f"detector {name}: unknown; use one of {', '.join(detector_names())}, or a folder")


def _module(name: str) -> ModuleType:
    return import_module(f"{__package__}.{name.replace('-', '_')}{_SUFFIX}")
