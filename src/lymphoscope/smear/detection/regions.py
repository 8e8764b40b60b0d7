"""Candidate regions for white cells: what is bluer than green above each of a series of thresholds, as a tree.

A region above one threshold contains those above the next. For every region there are further candidates: its pieces
before gaps were closed (lobes of one nucleus, or cells that lie close), and its parts between necks (touching cells).
Which candidates are cells is decided afterwards, so that no single threshold has to fit all cells of a field
(Arteta et al., 2012, Learning to detect cells using non-overlapping extremal regions).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lymphoscope.data.thresholds import otsu

Mask = NDArray[np.bool_]

LEVELS = 11
"""Number of thresholds of blue minus green."""
_LOWEST = 0.04
"""The lowest threshold, as a fraction of the light through bare glass, and at least half of Otsu's threshold."""
CLOSING = 1.0
"""Microns of a gap that is closed."""
MIN_AREA, MAX_AREA = 9.0, 900.0
"""Square microns of a candidate; larger regions are only taken apart."""
_LARGEST_HOLE = 300
"""Pixels of a hole that is filled."""
_SPLIT_FROM = 45.0
"""Square microns from which the parts between necks are candidates too."""
_EDGE_WEIGHT = 2.5
"""The change of light per pixel, times this, is taken from blue minus green, so that edges between cells part them."""
_NECK = 0.88
"""Two parts are separate where the neck between them is narrower than this fraction of the narrower part."""


@dataclass(eq=False)
class Region:
    """A candidate: its mask within the box `top, left` of the image, and what it can be replaced by.

    `alternatives` are sets of regions inside this one, of which one may be taken in its place. `score` says how well it
    fits a cell, and `growth` how much wider and higher the whole cell is.
    """

    top: int
    left: int
    mask: Mask
    level: float
    alternatives: list[list["Region"]] = field(default_factory=list)
    score: float = 0.0
    growth: tuple[float, float] = (1.0, 1.0)

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box in the image."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def candidate_regions(index: NDArray[np.float32], slope: NDArray[np.float32], microns_per_pixel: float) -> list[Region]:
    """Return the roots of the trees of candidates in an image (H, W) of blue minus green.

    `slope` (H, W) is the change of light per pixel: between two cells there is often an edge.
    """
    per_area = microns_per_pixel**2
    smallest, largest = MIN_AREA / per_area, MAX_AREA / per_area
    side = 2 * round(CLOSING / 2 / microns_per_pixel) + 1
    below: list[Region] = []  # regions above the next higher threshold
    lowered = index - _EDGE_WEIGHT * slope
    for level in _levels(index)[::-1]:
        raw = _opened(index > level)
        if not raw.any():
            continue
        closed = _closed(raw, side)
        below = _regions_at(
            float(level), (raw, _opened(lowered > level)), closed, below, (smallest, largest, _SPLIT_FROM / per_area)
        )
    return below


def _levels(index: NDArray[np.float32]) -> NDArray[np.float64]:
    grey = np.clip(index * 255, 0, 255).astype(np.uint8)
    lowest = max(_LOWEST, 0.5 * otsu(grey) / 255)
    highest = max(float(np.percentile(index, 99.8)), 1.2 * lowest)
    return np.geomspace(lowest, highest, LEVELS)


def _opened(mask: Mask) -> Mask:
    """Open by a square of 3 pixels; a cell at the border of the image keeps its pixels there."""
    inner = ndimage.minimum_filter(mask.view(np.uint8), 3, mode="nearest")
    return ndimage.maximum_filter(inner, 3, mode="nearest").view(np.bool_)  # type: ignore[no-any-return]


def _closed(mask: Mask, side: int) -> Mask:
    """Close by a square, whose side is in pixels, and fill holes."""
    outer = ndimage.maximum_filter(mask.view(np.uint8), side, mode="nearest")
    closed: Mask = ndimage.minimum_filter(outer, side, mode="nearest").view(np.bool_) | mask
    return closed | _holes(closed)


def _holes(mask: Mask) -> Mask:
    """Background that does not reach the border of the image, except holes larger than a cell."""
    labels, count = ndimage.label(~mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    is_hole = areas < _LARGEST_HOLE
    is_hole[border] = False
    is_hole[0] = False
    return is_hole[labels]  # type: ignore[no-any-return]


def _regions_at(
    level: float, raws: tuple[Mask, Mask], closed: Mask, below: list[Region], sizes: tuple[float, float, float]
) -> list[Region]:
    smallest, largest, split_from = sizes
    labels, _ = ndimage.label(closed)
    inside: dict[int, list[Region]] = {}
    for region in below:
        row, column = np.argwhere(region.mask)[0]
        inside.setdefault(int(labels[region.top + row, region.left + column]), []).append(region)
    regions = []
    for number, window in enumerate(ndimage.find_objects(labels), 1):
        mask = labels[window] == number
        area = int(mask.sum())
        if area < smallest:
            continue
        region = Region(window[0].start, window[1].start, mask, level)
        children = inside.get(number, [])
        if children:
            region.alternatives.append(children)
        if area <= 8 * largest:
            pieces = [_pieces(region, raw[window] & mask, smallest) for raw in raws]
            parts = _parts(region, smallest) if area >= split_from else []
            region.alternatives += [found for found in (*pieces, parts) if len(found) > 1]
        regions.append(region)
    return regions


def _pieces(region: Region, raw: Mask, smallest: float) -> list[Region]:
    labels, count = ndimage.label(raw)
    return _from_labels(region, labels, smallest) if count > 1 else []


def _parts(region: Region, smallest: float) -> list[Region]:
    """Parts of a region between its necks: basins of the distance to its border."""
    padded = np.pad(region.mask, 1)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(padded), 1.0)
    reach = max(3, int(0.5 * distance.max()) | 1)
    peaks = (distance == ndimage.maximum_filter(distance, reach)) & padded & (distance > 0.35 * distance.max())
    seeds, count = ndimage.label(peaks, np.ones((3, 3)))
    if count < 2:
        return []
    height = np.clip(255 - 250 * distance / distance.max(), 0, 255).astype(np.uint8)
    basins = _basins(height, seeds, padded)
    merged = _merge_without_neck(basins, distance, count)
    return _from_labels(region, merged[1:-1, 1:-1], smallest)


def _basins(height: NDArray[np.uint8], seeds: NDArray[np.int32], mask: Mask) -> NDArray[np.int32]:
    markers = seeds.astype(np.int32)
    markers[~mask] = -1
    basins: NDArray[np.int32] = ndimage.watershed_ift(np.where(mask, height, 255).astype(np.uint8), markers)
    return np.where(mask, np.maximum(basins, 0), 0)


def _merge_without_neck(basins: NDArray[np.int32], distance: NDArray[np.float64], count: int) -> NDArray[np.int32]:
    peak = np.concatenate([[0.0], ndimage.maximum(distance, basins, range(1, count + 1))])
    saddle: dict[tuple[int, int], float] = {}
    for first, second, low in _borders(basins, distance):
        for a, b, value in zip(first, second, low, strict=True):
            pair = (int(min(a, b)), int(max(a, b)))
            saddle[pair] = max(saddle.get(pair, 0.0), float(value))
    joined = np.arange(count + 1)
    for (a, b), value in sorted(saddle.items(), key=lambda item: -item[1]):
        a, b = int(joined[a]), int(joined[b])
        if a != b and value > _NECK * min(peak[a], peak[b]):
            joined[joined == b] = a
            peak[a] = max(peak[a], peak[b])
    return joined[basins].astype(np.int32)


def _borders(
    basins: NDArray[np.int32], distance: NDArray[np.float64]
) -> list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]]:
    """Labels on both sides of each border between basins, and the smaller distance there."""
    borders = []
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        a, b = basins[one], basins[other]
        at = (a != b) & (a > 0) & (b > 0)
        borders.append((a[at], b[at], np.minimum(distance[one], distance[other])[at]))
    return borders


def _from_labels(region: Region, labels: NDArray[np.int32], smallest: float) -> list[Region]:
    found = []
    for number, window in enumerate(ndimage.find_objects(labels), 1):
        if window is None:
            continue
        mask = labels[window] == number
        if mask.sum() >= smallest:
            found.append(Region(region.top + window[0].start, region.left + window[1].start, mask, region.level))
    return found


def all_regions(roots: list[Region]) -> list[Region]:
    """Return every region of the trees once."""
    seen: dict[int, Region] = {}
    waiting = list(roots)
    while waiting:
        region = waiting.pop()
        if id(region) not in seen:
            seen[id(region)] = region
            waiting += [other for others in region.alternatives for other in others]
    return list(seen.values())


def best_regions(roots: list[Region], cost: float) -> list[Region]:
    """Choose regions that do not overlap and whose scores, each less `cost`, have the largest sum."""
    chosen: list[Region] = []
    for root in roots:
        chosen += _best(root, cost)[1]
    return chosen


def _best(region: Region, cost: float) -> tuple[float, list[Region]]:
    best: tuple[float, list[Region]] = (max(region.score - cost, 0.0), [region] if region.score > cost else [])
    for others in region.alternatives:
        results = [_best(other, cost) for other in others]
        total = sum(value for value, _ in results)
        if total > best[0]:
            best = total, [found for _, part in results for found in part]
    return best
