"""One cell in the middle of its image: its nucleus and its cytoplasm, and the cell alone on black, as C-NMC has it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.data.thresholds import otsu
from lymphoscope.smear.illumination import even_illumination

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

WORKING_SIDE = 160
"""Pixels of the longer side at which a cell is segmented."""
_MIN_NUCLEUS = 0.008
"""Fraction of the image that a nucleus covers at least."""
_CENTRAL = 0.3
"""Standard deviation of the preference for the middle of the image, as a fraction of its side."""
_GLASS_STEP = 0.035
"""Optical density above that of glass from which a pixel is part of something."""
_LEVELS = 8
"""Thresholds between which the nucleus is sought."""
_TURNS = 96
"""Directions in which the border of the cell is sought."""
_BEND = 0.02
"""What it costs if the border moves by one pixel from one direction to the next."""
_GLASS_COST = 0.02
"""What each pixel of bare glass between nucleus and border costs."""
_RED_CYTOPLASM = 0.6
"""Share of red pixels next to the nucleus from which on red is the colour of the cytoplasm (eosinophils)."""
_FAR, _MANY, _ALIKE = 25, 0.12, 0.16
"""Pixels from the nucleus, share of the image and difference of colour by which red cells are known."""
_REACH = 4.0
"""How fast steps of colour lose weight with their distance from the nucleus, in its mean radii."""
_BLUE = 0.9
"""Weight of blue against green light by which granules, which absorb both, differ from chromatin."""
_INTO_NUCLEUS = 0.35
"""Where the border of the nucleus lies between the density of the cytoplasm (0) and that of the nucleus (1)."""
_RIM = 4
"""Pixels around the cell that take part in the choice of the threshold: a cell may be nearly all nucleus."""
_MIN_CYTOPLASM, _MIN_SHARE = 0.05, 0.08
"""Share of the cell from which on there is a cytoplasm to compare with, and which a nucleus covers at least."""
_LOBE_REACH = 1.0
"""How far from the main part of the nucleus another lobe begins at most, likewise."""


@dataclass(frozen=True)
class CellMasks:
    """Masks (H, W) of an image: the nucleus, and the cell with it; both empty where no nucleus stands out."""

    nucleus: Mask
    cell: Mask

    @property
    def cytoplasm(self) -> Mask:
        """The cell without its nucleus."""
        return self.cell & ~self.nucleus

    @property
    def found(self) -> bool:
        """Whether there is a cell."""
        return bool(self.cell.any())


def segment_cell(image: Pixels) -> CellMasks:
    """Segment the cell in the middle of an image (H, W, 3) uint8 RGB."""
    height, width = image.shape[:2]
    factor = WORKING_SIDE / max(height, width)
    size = max(round(width * factor), 8), max(round(height * factor), 8)
    way = Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
    light = even_illumination(np.asarray(Image.fromarray(image).resize(size, way))).transmission
    density = -np.log(np.clip(ndimage.gaussian_filter(light, (0.6, 0.6, 0)), 0.04, 1.0))
    nucleus = _nucleus(density)
    if nucleus is None:
        nothing = np.zeros((height, width), np.bool_)
        return CellMasks(nothing, nothing)
    cell = _cell(density, nucleus)
    nucleus = _nucleus_in(light, cell, nucleus)
    full_nucleus, full_cell = (_resized(mask, (width, height)) for mask in (nucleus, cell))
    return CellMasks(full_nucleus & full_cell, full_cell)


def _nucleus(density: NDArray[np.float32]) -> Mask | None:
    """The darkest part in red and green light near the middle, with its lobes, up to the steepest edge around it."""
    smooth = ndimage.gaussian_filter(density[:, :, 0] + density[:, :, 1], 1.0)
    grey = np.clip(smooth * 80, 0, 255).astype(np.uint8)
    first = otsu(grey)
    dark = grey[grey > first]
    if first < 8 or dark.size < _MIN_NUCLEUS * grey.size:
        return None
    slope = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))
    best, steepest = None, 0.0
    for level in np.linspace(first, max(otsu(dark), first + 1), _LEVELS):
        mask = _main_part(_smooth(grey > level))
        if mask is None:
            continue
        border = mask & ~ndimage.binary_erosion(mask, border_value=1)
        step = float(slope[border].mean()) if border.any() else 0.0
        if step > steepest:
            best, steepest = mask, step
    return best


def _nucleus_in(light: NDArray[np.float32], cell: Mask, coarse: Mask) -> Mask:
    """The nucleus with its lobes inside a known cell; the coarse one where nothing there stands out."""
    density = ndimage.gaussian_filter(-np.log(np.clip(light, 0.04, 1.0)), (1.0, 1.0, 0))
    chromatin = density[:, :, 1] - _BLUE * density[:, :, 2]
    near = ndimage.binary_dilation(cell, iterations=_RIM)
    low, span = float(chromatin[near].min()), max(float(np.ptp(chromatin[near])), 1e-6)
    grey = np.clip((chromatin - low) / span * 255, 0, 255).astype(np.uint8)
    inside = (grey > otsu(grey[near])) & cell
    if not inside.any():
        return coarse
    around = cell & ~inside
    if around.sum() < _MIN_CYTOPLASM * cell.sum():
        around = near & ~cell
    outer, inner = float(np.median(chromatin[around])), float(np.median(chromatin[inside]))
    border = outer + _INTO_NUCLEUS * (inner - outer)
    found: Mask = ndimage.binary_fill_holes(ndimage.binary_opening((chromatin > border) & cell))
    return found if found.sum() >= _MIN_SHARE * cell.sum() else coarse


def _main_part(mask: Mask) -> Mask | None:
    """The part nearest to the middle and the lobes around it; None if it is too small."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return None
    rows, columns = (np.linspace(-1, 1, side) for side in mask.shape)
    weight = np.exp(-(rows[:, None] ** 2 + columns**2) / 2 / (2 * _CENTRAL) ** 2)
    main = labels == 1 + int(np.argmax(ndimage.sum_labels(weight, labels, range(1, count + 1))))
    if main.sum() < _MIN_NUCLEUS * mask.size:
        return None
    return ndimage.binary_fill_holes(main | _lobes(labels, main))  # type: ignore[no-any-return]


def _lobes(labels: NDArray[np.int32], main: Mask) -> Mask:
    reach = _LOBE_REACH * np.sqrt(4 * main.sum() / np.pi)
    near = np.unique(labels[ndimage.distance_transform_edt(~main) < reach])
    areas = np.bincount(labels.ravel())
    lobes = [number for number in near if number > 0 and 0.1 * main.sum() < areas[number] < 1.5 * main.sum()]
    return np.isin(labels, lobes)


def _cell(density: NDArray[np.float32], nucleus: Mask) -> Mask:
    """Find the closed curve around the nucleus along which the colour changes most steeply outwards."""
    rows, columns = np.nonzero(nucleus)
    centre = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    reach = 1.1 * np.hypot(np.ptp(rows), np.ptp(columns)) + 10
    radii = np.arange(2, reach, 1.0)
    turns = np.linspace(0, 2 * np.pi, _TURNS, endpoint=False)
    at = [middle + np.outer(part, radii) for middle, part in zip(centre, (np.sin(turns), np.cos(turns)), strict=True)]
    start = _along(nucleus.astype(np.float32), at) > 0.5
    begin = np.where(start.any(axis=1), len(radii) - 1 - np.argmax(start[:, ::-1], axis=1), 0)  # (turns,)
    gain = _gain(density, nucleus, at, begin)
    chosen = _closed_path(gain)
    return _inside(radii[chosen], centre, nucleus.shape) | nucleus


def _gain(
    density: NDArray[np.float32], nucleus: Mask, at: list[NDArray[np.float64]], begin: NDArray[np.intp]
) -> NDArray[np.float64]:
    """How well the border of the cell fits each radius (turns, radii): the outward step of colour, less costs."""
    # Clipped at the cytoplasm next to the nucleus, so that the border of the nucleus is no step.
    distance = ndimage.distance_transform_edt(~nucleus)
    ring = (distance > 2) & (distance < 5) & (density.max(axis=2) > _GLASS_STEP)
    limit = np.median(density[ring], axis=0) if ring.any() else density.max(axis=(0, 1))
    rays = np.stack([_along(np.minimum(density[:, :, c], limit[c]), at) for c in range(3)])  # (3, turns, radii)
    outer, inner = ndimage.shift(rays, (0, 0, -2), order=0, mode="nearest"), np.roll(rays, 2, axis=2)
    step = np.sqrt(((outer - inner) ** 2).sum(axis=0)) / np.sqrt((limit**2).sum() + 1e-6)
    beyond = np.arange(rays.shape[2]) - begin[:, None]
    glass = np.cumsum((rays.max(axis=0) < _GLASS_STEP) & (beyond > 0), axis=1)
    size = max(float(begin.mean()), 4.0)
    gain = step * np.exp(-np.maximum(beyond, 0) / (_REACH * size)) - _GLASS_COST * np.maximum(glass - 2, 0)
    red = _is_red_cell(density, distance)
    if ring.any() and red[ring].mean() < _RED_CYTOPLASM:
        gain -= _GLASS_COST * np.maximum(
            np.cumsum((_along(red.astype(np.float32), at) > 0.5) & (beyond > 0), axis=1) - 2, 0
        )
    return np.where(beyond < 0, -5.0, gain)


def _is_red_cell(density: NDArray[np.float32], distance: NDArray[np.float64]) -> Mask:
    """Where the colour is that of most cells far from the nucleus, if there are many: those are red cells."""
    red, green, blue = (density[:, :, channel] for channel in range(3))
    dark = green > 0.15
    far = dark & (distance > _FAR)
    if far.mean() < _MANY:
        return np.zeros(dark.shape, np.bool_)
    ratios = np.stack([red, blue]) / np.maximum(green, 0.05)
    typical = np.median(ratios[:, far], axis=1)
    return dark & (np.abs(ratios - typical[:, None, None]).max(axis=0) < _ALIKE)  # type: ignore[no-any-return]


def _along(values: NDArray[np.float32], at: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    sampled: NDArray[np.float32] = ndimage.map_coordinates(values, at, order=1, mode="constant", cval=0.0)
    return sampled


def _closed_path(gain: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the radius per turn with the largest sum of gains; neighbours differ by at most 2."""
    turns, count = gain.shape
    rounds = np.concatenate([gain, gain])  # twice around: the second round starts where the first ended
    total, came = rounds[0].copy(), np.zeros((2 * turns, count), np.intp)
    shifts = np.arange(-2, 3)
    for place in range(1, 2 * turns):
        padded = np.pad(total, 2, constant_values=-np.inf)
        options = np.stack([padded[2 + shift : 2 + shift + count] - _BEND * abs(shift) for shift in shifts])
        best = options.argmax(axis=0)
        came[place] = np.arange(count) + shifts[best]
        total = options.max(axis=0) + rounds[place]
    path = np.zeros(2 * turns, np.intp)
    path[-1] = total.argmax()
    for place in range(2 * turns - 1, 0, -1):
        path[place - 1] = came[place, path[place]]
    middle = turns // 2
    return np.roll(path[middle : middle + turns], middle)


def _inside(radii: NDArray[np.float64], centre: tuple[float, float], size: tuple[int, ...]) -> Mask:
    rows, columns = np.ogrid[: size[0], : size[1]]
    y, x = rows - centre[0], columns - centre[1]
    turn = np.arctan2(y, x) % (2 * np.pi) / (2 * np.pi) * len(radii)
    limit = np.interp(turn, np.arange(len(radii) + 1), np.append(radii, radii[0]))
    inside: Mask = np.hypot(y, x) <= limit
    return inside


def _smooth(mask: Mask, rounds: int = 1) -> Mask:
    opened = ndimage.binary_opening(mask, iterations=rounds)
    closed: Mask = ndimage.binary_closing(np.pad(opened, 4, mode="edge"), iterations=2)[4:-4, 4:-4]
    return closed


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    large: Mask = np.asarray(grey) > 127
    return large
