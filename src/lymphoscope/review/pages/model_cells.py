"""A cell as the model that classified it takes it: found model, cut from the field."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data import read_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Description, load_description, shipped_models
from lymphoscope.review.pages.cell_places import CellPlace
from lymphoscope.smear.cutting import cell_cutter, glass_colour

DEMO_MODEL = Path(__file__).parent / "demo_model"
"""The model of `review demo`: it tells synthetic cells apart, and knows no others."""
Pixels = NDArray[np.uint8]
Around = Callable[[tuple[int, int, int, int]], Pixels]
"""Returns the part of a field within a box (left, top, right, bottom), as far as the field goes."""


def model_folder(source_model: Mapping[str, Any], roots: tuple[Path, ...]) -> Path:
    """Return the folder of the model that made results: one that ships, or the named one below one of `roots`.

    Raises LymphoscopeError if there is none.
    """
    wanted = str(source_model.get("id") or "")
    if not wanted:
        raise LymphoscopeError("not available: the results do not say which model made them")
    candidates = [*shipped_models().values(), DEMO_MODEL]
    named = Path(str(source_model.get("path") or "."))
    if any(named.resolve().is_relative_to(root.resolve()) for root in roots) and (named / "model.json").is_file():
        candidates.append(named)
    for folder in candidates:
        if load_description(folder).model_id == wanted:
            return folder
    raise LymphoscopeError(f"not available: the model {wanted} is neither one that ships nor below the served folders")


def as_model_takes(place: CellPlace, how: Description, around: Around) -> Pixels:
    """Return a cell as `smear` or `predict` gave it to the model, before the model's own preparation.

    Raises LymphoscopeError where the scale is unknown.
    """
    if place.box is None:
        return read_image(place.path)
    if place.microns_per_pixel is None:
        raise LymphoscopeError("not available: the scale of the field is unknown")
    cutter = cell_cutter(how)
    reach = round(cutter.side(place.microns_per_pixel))  # twice what is cut out, so that the glass is seen as well
    left, top = round(place.centre[0]) - reach, round(place.centre[1]) - reach
    window = around((left, top, left + 2 * reach, top + 2 * reach))
    corner = np.array([max(left, 0), max(top, 0)], dtype=np.float32)
    centre = (place.centre[0] - float(corner[0]), place.centre[1] - float(corner[1]))
    return cutter.cut(window, centre, place.polygon() - corner, place.microns_per_pixel, glass_colour(window))
