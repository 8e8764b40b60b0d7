"""The pixels of each found cell: a watershed from the cells and from what surrounds them, and polygons around it."""

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy import ndimage

from lymphoscope.smear.detection.working_scale import Window, WorkingField
from lymphoscope.smear.illumination import smallest_channel

Boxes = NDArray[np.float32]
"""(N, 4): x0, y0, x1, y1 in pixels of the working field."""

_CORE = 0.3
"""Half of the sides of the ellipse that surely belongs to a cell, as a fraction of its box's sides."""
_BEYOND = 0.62
"""Half of the sides of the ellipse beyond which nothing belongs to a cell."""
_GLASS = 0.97
"""Light in the darkest channel from which a pixel is bare glass."""
_PLAUSIBLE = (0.35, 0.95)
"""Range of the part of its box that a cell covers (a disc covers 0.79); else the ellipse of the box is taken."""
_STEEPEST = 0.12
"""Slope of the light per pixel at which the cost of the watershed is largest."""
_MARGIN = 0.22
"""What is around a box belongs to its window, as a fraction of its longer side: more than any outline reaches."""
_SMOOTHED = 4
"""Pixels around a window of which its smoothed light depends."""


def cell_labels(field: WorkingField, boxes: Boxes) -> NDArray[np.int32]:
    """Return an image (H, W) with the number of the cell, from 1 in the order of the boxes, or 0."""
    labels = np.zeros(field.index.shape, np.int32)
    for window, members in _windows(boxes, labels.shape):
        corner = np.array([window.left, window.top, window.left, window.top], np.float32)
        own = _labels_in(field, window, boxes[members] - corner)
        numbers = np.concatenate([[0], members + 1]).astype(np.int32)
        np.copyto(labels[window.slices], numbers[own], where=own > 0)
    return labels


def _windows(boxes: Boxes, size: tuple[int, ...]) -> list[tuple[Window, NDArray[np.intp]]]:
    """Windows of a field that do not overlap, each with the indices of the boxes that lie in it with their margin.

    Cells are few in most fields, and what lies between them needs no outlines.
    """
    groups: list[tuple[Window, list[int]]] = []
    for index, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        margin = _MARGIN * max(x1 - x0, y1 - y0) + 4
        window = Window(int(y0 - margin), int(x0 - margin), int(y1 + margin) + 1, int(x1 + margin) + 1)
        window, members = window.widened(0, size), [index]
        while near := [group for group in groups if _overlap(group[0], window)]:
            groups = [group for group in groups if group not in near]
            members += [member for group in near for member in group[1]]
            window = Window(
                min(window.top, *(group[0].top for group in near)),
                min(window.left, *(group[0].left for group in near)),
                max(window.bottom, *(group[0].bottom for group in near)),
                max(window.right, *(group[0].right for group in near)),
            )
        groups.append((window, members))
    return [(window, np.array(sorted(members), dtype=np.intp)) for window, members in groups]


def _overlap(one: Window, other: Window) -> bool:
    return one.top < other.bottom and other.top < one.bottom and one.left < other.right and other.left < one.right


def _labels_in(field: WorkingField, window: Window, boxes: Boxes) -> NDArray[np.int32]:
    """The labels of a window that holds all boxes, which are in its own pixels."""
    around = window.widened(_SMOOTHED, field.index.shape)
    light = ndimage.gaussian_filter(field.even.transmission[around.slices], (0.7, 0.7, 0))
    light = light[window.within(around).slices]
    cost = np.clip(field.slope_in(window) / _STEEPEST * 200, 0, 200).astype(np.uint8)
    reach, cores = _ellipses(boxes, light.shape[:2])
    surroundings = (reach == 0) | (smallest_channel(light) > _GLASS)
    markers = np.where(cores > 0, cores, np.where(surroundings, -1, 0)).astype(np.int32)
    labels = np.maximum(ndimage.watershed_ift(cost, markers), 0)
    return _plausible(labels.astype(np.int32), reach, boxes)


def _ellipses(boxes: Boxes, size: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The cell to whose widest ellipse each pixel belongs (the nearest in units of its size), and the cores."""
    owner, core = np.zeros(size, np.int32), np.zeros(size, np.int32)
    nearest = np.full(size, np.inf, np.float32)
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        grow_x, grow_y = 0.15 * (x1 - x0) + 1, 0.15 * (y1 - y0) + 1
        rows = slice(max(int(y0 - grow_y), 0), max(int(np.ceil(y1 + grow_y)), 0))
        columns = slice(max(int(x0 - grow_x), 0), max(int(np.ceil(x1 + grow_x)), 0))
        part = nearest[rows, columns]
        y, x = np.mgrid[rows.start : rows.start + part.shape[0], columns.start : columns.start + part.shape[1]] + 0.5
        distance = np.hypot((x - (x0 + x1) / 2) / max(x1 - x0, 1), (y - (y0 + y1) / 2) / max(y1 - y0, 1))
        mine = (distance < part) & (distance < _BEYOND)
        part[mine] = distance[mine]
        owner[rows, columns][mine] = number
        core[rows, columns][mine] = np.where(distance[mine] < _CORE, number, 0)
    return owner, core


def _plausible(labels: NDArray[np.int32], reach: NDArray[np.int32], boxes: Boxes) -> NDArray[np.int32]:
    """Smooth each cell and fill its holes; a cell that covers too little or too much of its box becomes an ellipse."""
    result = np.zeros_like(labels)
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        rows = slice(max(int(y0 - 0.2 * (y1 - y0)), 0), max(int(y1 + 0.2 * (y1 - y0)) + 1, 1))
        columns = slice(max(int(x0 - 0.2 * (x1 - x0)), 0), max(int(x1 + 0.2 * (x1 - x0)) + 1, 1))
        mask = ndimage.binary_opening(labels[rows, columns] == number, iterations=2)
        pieces, count = ndimage.label(mask)
        if count > 1:
            mask = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
        mask = ndimage.binary_fill_holes(mask)
        share = mask.sum() / max((x1 - x0) * (y1 - y0), 1)
        if not _PLAUSIBLE[0] <= share <= _PLAUSIBLE[1]:
            mask = reach[rows, columns] == number
        result[rows, columns][mask & (result[rows, columns] == 0)] = number
    return result


def outline_of(mask: NDArray[np.bool_], top: int = 0, left: int = 0) -> NDArray[np.float32]:
    """Return the outline (K, 2) of the largest part of a mask, x and y of the image whose `top`, `left` the mask is at.

    Pixel (0, 0) covers 0 to 1. The polygon is closed: its first point is its last.
    """
    smooth = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), 0.6)
    lines = [np.asarray(line, np.float32) for line in contour_generator(z=smooth, name="serial").lines(0.5)]
    if not lines:
        return np.zeros((0, 2), np.float32)
    return max(lines, key=len) + np.array([left - 1.5, top - 1.5], np.float32)
