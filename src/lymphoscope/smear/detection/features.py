"""What the verifier knows about a candidate region: size, shape, colour, contrast and the field that it lies in."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lymphoscope.data.thresholds import otsu
from lymphoscope.smear.detection.regions import Region
from lymphoscope.smear.illumination import EvenField

FEATURES = (
    "log_area",
    "log_length",
    "log_width",
    "elongation",
    "compactness",
    "fill",
    "roundness",
    "index",
    "index_high",
    "index_spread",
    "green_spread",
    "ring_index",
    "ring_green",
    "step_red",
    "step_green",
    "step_blue",
    "step_index",
    "level",
    "red_to_cells",
    "green_to_cells",
    "blue_to_cells",
    "index_to_cells",
    "index_over_first",
    "index_over_second",
    "index_rank",
    "red_rank",
    "green_rank",
    "cells_index",
    "cells_share",
    "at_edge",
)
"""Names of the features. Lengths are in microns. Colours are relative to the field, so that any stain will do: an
index is a fraction of the field's highest, a rank the share of the dark pixels that are less blue, or lighter."""

_RING = 1.0
"""Microns of the ring around a region."""


class RegionFeatures:
    """Measures the regions of one field at the working scale."""

    def __init__(self, field: EvenField, index: NDArray[np.float32], microns_per_pixel: float) -> None:
        self._light, self._index, self._scale = field.transmission, index, microns_per_pixel
        self._ring = max(round(_RING / microns_per_pixel), 1)
        dark = (field.transmission[:, :, 1] < 0.9) & field.lit
        light = field.transmission[dark] if dark.sum() > 50 else np.ones((1, 3), np.float32)
        values = index[dark] if dark.sum() > 50 else np.zeros(1, np.float32)
        # Most of what is dark in a field is red cells, which tell camera and stain.
        self._cells = np.median(light, axis=0)
        self._cells_share = float(dark.mean())
        self._high = max(float(np.percentile(index, 99.8)), 0.05)
        self._cells_index = float(np.median(values)) / self._high
        self._thresholds = _thresholds(index / self._high)
        self._sorted = [np.sort(channel) for channel in (values, -light[:, 0], -light[:, 1])]

    def measure(self, region: Region) -> NDArray[np.float32]:
        """Return the features (F,) of a region, in the order of FEATURES."""
        inner, ring = self._pixels(region)
        mean, around = inner.mean(axis=0), ring.mean(axis=0)
        index, share = inner[:, 3] / self._high, float(mean[3] / self._high)
        ranks = [
            np.searchsorted(channel, value) / len(channel)
            for channel, value in zip(self._sorted, (mean[3], -mean[0], -mean[1]), strict=True)
        ]
        colours = [
            share,
            float(np.percentile(index, 90)),
            index.std(),
            inner[:, 1].std(),
            around[3] / self._high,
            around[1],
            *(around[:3] - mean[:3]),
            share - around[3] / self._high,
            region.level / self._high,
            *(mean[:3] - self._cells),
            share - self._cells_index,
            share - self._thresholds[0],
            share - self._thresholds[1],
            *ranks,
            self._cells_index,
            self._cells_share,
            float(self._at_edge(region)),
        ]
        return np.array([*self._shape(region), *colours], np.float32)

    def _pixels(self, region: Region) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Red, green, blue and index of the region (N, 4), and of the ring around it (M, 4)."""
        width = self._ring
        rows, columns = region.window
        height, breadth = self._index.shape
        top, left = max(rows.start - width, 0), max(columns.start - width, 0)
        bottom, right = min(rows.stop + width, height), min(columns.stop + width, breadth)
        mask = np.zeros((bottom - top, right - left), np.bool_)
        mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = region.mask
        ring = ndimage.maximum_filter(mask.view(np.uint8), 2 * width + 1).view(np.bool_) & ~mask
        part = np.dstack([self._light[top:bottom, left:right], self._index[top:bottom, left:right]])
        return part[mask], part[ring] if ring.any() else part[mask]

    def _shape(self, region: Region) -> list[float]:
        rows, columns = np.nonzero(region.mask)
        area = len(rows)
        variance_rows, variance_columns = rows.var() + 1 / 12, columns.var() + 1 / 12
        covariance = float((rows * columns).mean() - rows.mean() * columns.mean())
        half, root = (
            (variance_rows + variance_columns) / 2,
            np.hypot((variance_rows - variance_columns) / 2, covariance),
        )
        major, minor = np.sqrt(half + root), np.sqrt(max(half - root, 1 / 12))
        # The largest distance to the border of a disc of this area is its radius.
        thickness = ndimage.distance_transform_edt(np.pad(region.mask, 1)).max()
        return [
            float(np.log(area * self._scale**2)),
            float(np.log(4 * major * self._scale)),
            float(np.log(4 * minor * self._scale)),
            float(minor / major),
            float(area / (4 * np.pi * major * minor)),
            area / region.mask.size,
            float(thickness / np.sqrt(area / np.pi)),
        ]

    def _at_edge(self, region: Region) -> bool:
        rows, columns = region.window
        height, width = self._index.shape
        return bool(rows.start <= 0 or columns.start <= 0 or rows.stop >= height or columns.stop >= width)


def _thresholds(index: NDArray[np.float32]) -> tuple[float, float]:
    """Otsu's threshold of the index, and again above it."""
    grey = np.clip(index * 200, 0, 255).astype(np.uint8)
    first = otsu(grey)
    above = grey[grey > first]
    return first / 200, (otsu(above) if above.size else first) / 200
