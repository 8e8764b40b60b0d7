"""The quality of a field or tile: is it sharp, well lit, well stained, and neither too thick nor empty."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.smear.illumination import EvenField, even_illumination, largest_channel, smallest_channel

FLAGS = MappingProxyType(
    {
        "blurred": "The field is out of focus.",
        "dark": "The field is too dark.",
        "overexposed": "The field is overexposed: details of the cells are lost in white.",
        "pale_stain": "The stain is pale: nuclei hardly differ from red cells.",
        "no_stain": "The field has no colours of a blood stain.",
        "inverted": "The colours seem to be inverted: the ground is darker than what lies on it.",
        "other_colours": "The field has yellow or brown colours that no blood stain has: is it a photograph?",
        "empty": "The field is empty: hardly any cells.",
        "thin": "The field is thin: few cells.",
        "thick": "The field is too thick: cells lie on top of each other.",
    }
)
"""Flag -> what it says of the field."""
SET_ASIDE = frozenset({"blurred", "dark", "overexposed", "no_stain", "inverted", "other_colours", "empty", "thick"})
"""Flags of fields in which cells should not be counted."""

_SCALE = 0.3
"""Microns per pixel at which the quality of a field is measured."""
_BLUE_LACK, _YELLOW_SHARE = 0.2, 0.1
"""Lack of blue light against both others, and the share of what is covered that has it, of a photograph.

The most in fields of five cameras was 0.07 (Chula-WBC, whose lens splits colours).
"""
_GREEN, _DARK_GROUND, _VERY_GREEN = 1.2, 0.7, 1.45
"""Inverted: glass greener than red by the first factor, and most of the field darker than the second; or by the
third. Stains absorb green, so that it shines when the colours are inverted. The most in real fields was 1.3, at 0.8."""
_LEVEL = 0.002
"""Slope of the light per pixel up to which nothing is an edge: steps of 0.06 within 3 microns are steeper."""
GLASS = 0.9
"""Green light, as a fraction of the light through glass, below which something covers it."""
_EMPTY = 0.005
"""Share covered below which a tile is empty, unless what covers it may be a cell."""
_SPOT_MICRONS = 2.4
"""Side of the square that every nucleus covers: a tile in which nothing does has no white cell."""


@dataclass(frozen=True)
class TileQuality:
    """What was measured of a tile, and the flags that follow, of `FLAGS`.

    `focus` is the width of the sharpest edges in microns (smaller is sharper), `exposure` the grey level of the glass,
    0 to 255, `stain` the largest blue minus green as a fraction of that, and `density` the share covered by cells.
    """

    focus: float | None
    exposure: float
    stain: float
    density: float
    flags: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether cells should be counted here."""
        return SET_ASIDE.isdisjoint(self.flags)

    def describe(self) -> tuple[str, ...]:
        """Return one sentence per flag."""
        return tuple(FLAGS[flag] for flag in self.flags)


def tile_quality(image: NDArray[np.uint8], microns_per_pixel: float) -> TileQuality:
    """Judge a tile (H, W, 3) uint8 RGB."""
    factor = min(microns_per_pixel / _SCALE, 1.0)
    size = tuple(max(round(side * factor), 1) for side in image.shape[1::-1])
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)) if factor < 1 else image
    even = even_illumination(small)
    exposure = float(np.percentile(largest_channel(small), 95))
    covered = (even.transmission[:, :, 1] < GLASS) & even.lit
    density = float(covered.sum() / max(even.lit.sum(), 1))
    index = (even.transmission[:, :, 2] - even.transmission[:, :, 1])[even.lit]
    stain = float(np.percentile(index, 99.9)) if index.size else 0.0
    focus = _edge_width(even, microns_per_pixel / factor)
    overexposed = float((smallest_channel(small) >= 254).mean())
    empty = density < _EMPTY and not has_spot(covered, microns_per_pixel / factor)
    flags = _flags(focus, exposure, stain, density, empty, overexposed, _odd_colours(small, even))
    return TileQuality(focus, exposure, stain, density, flags)


def has_spot(covered: NDArray[np.bool_], microns_per_pixel: float) -> bool:
    """Return whether anything covers (H, W) a square as large as a small nucleus: hardly any cells are still cells."""
    side = max(round(_SPOT_MICRONS / microns_per_pixel), 1)
    return bool(covered.any() and ndimage.minimum_filter(covered.view(np.uint8), side).any())


def _odd_colours(image: NDArray[np.uint8], even: EvenField) -> frozenset[str]:
    """Which colours are none of a stained blood smear: those of inverted pictures and of photographs."""
    image, lit, light = image[::4, ::4], even.lit[::4, ::4], even.transmission[::4, ::4]
    if not lit.any():
        return frozenset()
    brightness = largest_channel(image)[lit]
    ground = float(np.median(brightness) / max(np.percentile(brightness, 98), 1))
    greener = even.glass[1] / max(even.glass[0], 1)
    covered = light[(smallest_channel(light) < 0.85) & lit]
    yellow = covered[:, 2] < np.minimum(covered[:, 0], covered[:, 1]) - _BLUE_LACK
    found = {
        "inverted": greener > _VERY_GREEN or (greener > _GREEN and ground < _DARK_GROUND),
        "other_colours": len(covered) > 0 and float(yellow.mean()) > _YELLOW_SHARE,
    }
    return frozenset(name for name, holds in found.items() if holds)


def _flags(
    focus: float | None,
    exposure: float,
    stain: float,
    density: float,
    empty: bool,
    overexposed: float,
    colours: frozenset[str],
) -> tuple[str, ...]:
    found = {
        "dark": exposure < 60,
        "empty": empty,
        "thin": not empty and density < 0.04,
        "thick": density > 0.85,
        "blurred": not empty and focus is not None and focus > 2.2,
        "overexposed": not empty and overexposed > 0.6 and density < 0.3,
        "no_stain": not empty and stain < 0.015,
        "pale_stain": not empty and 0.015 <= stain < 0.06,
        "inverted": "inverted" in colours,
        "other_colours": "other_colours" in colours,
    }
    return tuple(flag for flag in FLAGS if found[flag])


def _edge_width(even: EvenField, microns_per_pixel: float) -> float | None:
    """Width in microns of the sharpest edges: height of the strongest steps over their slope. None without edges."""
    green = ndimage.gaussian_filter(even.transmission[:, :, 1], 0.5)
    inside = ndimage.binary_erosion(even.lit, iterations=4)
    slope = np.hypot(ndimage.sobel(green, 0), ndimage.sobel(green, 1)) / 8
    reach = round(1.5 / microns_per_pixel)
    steepest = inside & (slope > _LEVEL) & (slope == ndimage.maximum_filter(slope, 2 * reach + 1))
    rows, columns = np.nonzero(steepest)
    if len(rows) < 10:
        return None
    around = np.lib.stride_tricks.sliding_window_view(np.pad(green, reach, mode="symmetric"), 2 * (2 * reach + 1,))
    near = around[rows, columns].reshape(len(rows), -1)  # only at the edges: the whole field would take much longer
    step = near.max(axis=1) - near.min(axis=1)
    edges = step > 0.06
    if edges.sum() < 10:
        return None
    return float(np.percentile(step[edges] / slope[rows, columns][edges], 25) * microns_per_pixel)
