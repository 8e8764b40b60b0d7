"""A cell on a field -> the image that the model takes: its scale, its margin, and what is around the cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Description
from lymphoscope.smear.readers import Pixels
from lymphoscope.vocabulary import Surroundings

SPRITE_SIDE = 96
"""Pixels of the side of a thumbnail."""
SPRITE_MICRONS = 24.0
"""Micrometres of the side of a thumbnail, the same for every cell, so that sizes can be compared."""
_GLASS_PERCENTILE = 95

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class CellCutter:
    """Cuts cells out of a field as a model takes them: `crop` x `crop` pixels at `microns_per_pixel`."""

    crop: int
    microns_per_pixel: float
    surroundings: Surroundings

    def side(self, scale: float) -> float:
        """Side of what is cut out, in pixels of a field of `scale` microns per pixel."""
        return self.crop * self.microns_per_pixel / scale

    def cut(
        self,
        image: Pixels,
        centre: tuple[float, float],
        outline: NDArray[np.float32],
        scale: float,
        glass: Colour,
    ) -> Pixels:
        """Cut one cell out of an image (H, W, 3) of `scale` microns per pixel: (crop, crop, 3) uint8.

        `centre` (x, y) and `outline` (K, 2) are in pixels of the image. What lies beyond the image has the colour
        `glass`, or is black with black surroundings. The stain is normalised later, by the model's preparation.
        """
        side = self.side(scale)
        corner = (centre[0] - side / 2, centre[1] - side / 2)
        if self.surroundings == "kept":
            return cut_square(image, corner, side, self.crop, glass)
        square = cut_square(image, corner, side, self.crop, (0, 0, 0))
        factor = self.crop / side
        mask = polygon_mask((outline - np.array(corner)) * factor, self.crop)
        return square * mask[:, :, None]


def cell_cutter(description: Description) -> CellCutter:
    """Return how a model takes cells. Raises LymphoscopeError if its file does not say at which scale."""
    how = description.preprocessing
    if how.microns_per_pixel is None:
        raise LymphoscopeError(
            f"the model {description.name} does not say at which scale it takes cells: train it with "
            "data.microns_per_pixel and data.surroundings, or add both to `preprocessing` in its model.json"
        )
    return CellCutter(how.crop, how.microns_per_pixel, how.surroundings or "kept")


def cut_square(image: Pixels, corner: tuple[float, float], side: float, size: int, beyond: Colour) -> Pixels:
    """Cut the square of `side` pixels at `corner` (x, y) and resize it to (size, size, 3), antialiased."""
    left, top = (int(np.floor(value)) for value in corner)
    right, bottom = (int(np.ceil(value + side)) for value in corner)
    inner = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if inner.shape[:2] != (bottom - top, right - left):
        framed = np.full((bottom - top, right - left, 3), beyond, dtype=np.uint8)
        y, x = max(-top, 0), max(-left, 0)
        framed[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
        inner = framed
    box = (corner[0] - left, corner[1] - top, corner[0] - left + side, corner[1] - top + side)
    picture = Image.fromarray(np.ascontiguousarray(inner))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))


def glass_colour(image: Pixels) -> Colour:
    """Return the colour of the bright background of a field, from every 16th pixel of every 16th row."""
    red, green, blue = np.percentile(image[::16, ::16].reshape(-1, 3), _GLASS_PERCENTILE, axis=0)
    return int(red), int(green), int(blue)


def polygon_mask(outline: NDArray[np.floating], size: int) -> NDArray[np.uint8]:
    """Fill a polygon (K, 2) of x, y: (size, size) of 0 and 1."""
    mask = Image.new("L", (size, size), 0)
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline], fill=1, outline=1)
    return np.asarray(mask)


def thumbnail(image: Pixels, centre: tuple[float, float], scale: float, glass: Colour) -> Pixels:
    """Cut the thumbnail of a cell, SPRITE_SIDE x SPRITE_SIDE pixels of SPRITE_MICRONS, with its surroundings."""
    side = SPRITE_MICRONS / scale
    corner = (centre[0] - side / 2, centre[1] - side / 2)
    return cut_square(image, corner, side, SPRITE_SIDE, glass)
