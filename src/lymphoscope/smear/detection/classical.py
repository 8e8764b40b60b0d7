"""The classical detector: nuclei by blue minus green and Otsu's threshold taken twice, at a normalised scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.smear.detection.detector import Detections, Detector, Pixels

WORKING_SCALE = 0.3
"""Microns per pixel to which a field is resized, so that cost and sizes do not depend on the camera."""
_MIN_NUCLEUS_AREA = 18.0
"""Square microns; a small lymphocyte's nucleus has about 30."""
_MARGIN = 1.2
"""Microns of cytoplasm around a nucleus."""


@dataclass(frozen=True)
class ClassicalDetector:
    """Finds white cells by the colour of their nuclei."""

    name: str = "classical"

    def detect(self, image: Pixels, microns_per_pixel: float) -> Detections:
        """Find the white cells of an image (H, W, 3) uint8 RGB."""
        small, scale = _at_working_scale(image, microns_per_pixel)
        height, width = image.shape[:2]
        labels, _ = ndimage.label(_nuclei(small))
        boxes, outlines, marks = [], [], []
        for index, region in enumerate(ndimage.find_objects(labels), 1):
            if (labels[region] == index).sum() * WORKING_SCALE**2 < _MIN_NUCLEUS_AREA:
                continue
            box = _box_around(region, scale, (height, width), _MARGIN / microns_per_pixel)
            x, y, w, h = box
            boxes.append(box)
            outlines.append(np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float32))
            cut = x <= 0 or y <= 0 or x + w >= width or y + h >= height
            marks.append(frozenset({"cut_by_edge"} if cut else ()))
        if not boxes:
            return Detections.empty()
        scores = np.full(len(boxes), 0.5, np.float32)
        return Detections(np.array(boxes, np.float32), tuple(outlines), scores, tuple(marks))


def create() -> Detector:
    """Return the classical detector."""
    return ClassicalDetector()


def _at_working_scale(image: Pixels, microns_per_pixel: float) -> tuple[Pixels, float]:
    """Resize to the working scale; returns the image and pixels of the field per pixel of it."""
    factor = min(microns_per_pixel / WORKING_SCALE, 1.5)
    height, width = (max(round(side * factor), 1) for side in image.shape[:2])
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BOX)
    return np.asarray(resized), 1 / factor


def _nuclei(image: Pixels) -> NDArray[np.bool_]:
    difference = np.clip(image[:, :, 2].astype(np.int16) - image[:, :, 1], 0, 255).astype(np.uint8)
    first = otsu(difference)
    foreground = difference[difference > first]
    if not len(foreground):
        return np.zeros(difference.shape, bool)
    mask: NDArray[np.bool_] = ndimage.binary_opening(difference > otsu(foreground), iterations=2)
    return mask


def otsu(values: NDArray[np.uint8]) -> int:
    """Return Otsu's threshold of grey levels: values above it are the bright class."""
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    total, level_sum = below[-1], np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (level_sum[-1] * below / total - level_sum) ** 2 / (below * (total - below))
    return int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))


def _box_around(
    region: tuple[slice, ...], scale: float, size: tuple[int, int], margin: float
) -> tuple[float, float, float, float]:
    top, left = (max(part.start * scale - margin, 0) for part in region)
    bottom, right = (min(part.stop * scale + margin, side) for part, side in zip(region, size, strict=True))
    return left, top, right - left, bottom - top
