"""From found cells in a working field to `Detections` in pixels of the image: outlines, boxes and marks."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lymphoscope.smear.detection.cell_masks import Boxes, cell_labels, outline_of
from lymphoscope.smear.detection.colour import colour_support, core_of, darkness_support
from lymphoscope.smear.detection.detector import Detections
from lymphoscope.smear.detection.working_scale import WorkingField

_TOUCHING = 1.2
"""Microns between the outlines of two cells that touch: outlines are up to a pixel inside."""
_EDGE = 0.4
"""Microns from the border of the field within which a cell counts as cut."""
_BLACK, _BLACK_SHARE = 0.25, 0.1
"""Blue light below which there is stain and no cell, and the part of what was found that is so dark in a deposit.

No pixel of 190 real cells was so dark in blue.
"""
_SMUDGE_BOX = 190.0
"""Square microns of the box of a smudge, at least: its chromatin is spread."""
_NUCLEUS_SUPPORT = 1.3
"""Sum of the supports of colour and of darkness below which the core of a large cell has no nucleus.

Of 116 large cells of nine sources one had less, 0.89, and that was a smudge; the least of the others was 1.43.
"""
_UNIFORM = 0.12
"""Standard deviation of the green light in the core of a smudge, at most: strands have 0.07, lobes 0.24."""
_LARGEST_CELL = 420.0
"""Square microns from which a cell without a waist is too large to be one."""
_WAIST = 0.9
"""Area over that of the ellipse with the same moments, below which a large cell has a waist."""


def assemble(field: WorkingField, boxes: Boxes, scores: NDArray[np.float32], keep_boxes: bool = False) -> Detections:
    """Outline the cells of boxes (N, 4) x0, y0, x1, y1 and mark them.

    Boxes are those of the outlines, except where `keep_boxes` says that the given ones are better.
    """
    if not len(boxes):
        return Detections.empty()
    labels = cell_labels(field, boxes)
    windows = ndimage.find_objects(labels, max_label=len(boxes))
    found, outlines, marks, kept = [], [], [], []
    smudged = _smudged(field, boxes)
    zoom_x, zoom_y = field.zoom
    height, width = labels.shape
    for place, window in enumerate(windows):
        if window is None:
            continue
        mask = labels[window] == place + 1
        outline = outline_of(mask, window[0].start, window[1].start)
        if len(outline) < 4:
            continue
        x0, y0 = outline.min(axis=0)
        x1, y1 = outline.max(axis=0)
        box = boxes[place] if keep_boxes else np.array([x0, y0, x1, y1])
        box = np.clip(box, 0, [width, height, width, height])
        found.append([box[0] / zoom_x, box[1] / zoom_y, (box[2] - box[0]) / zoom_x, (box[3] - box[1]) / zoom_y])
        outlines.append((np.clip(outline, 0, [width, height]) / [zoom_x, zoom_y]).astype(np.float32))
        smudge = frozenset({"smudge"}) if smudged[place] else frozenset()
        marks.append(_marks(field, labels, window, place + 1, box) | smudge)
        kept.append(place)
    return Detections(
        np.array(found, np.float32).reshape(-1, 4), tuple(outlines), scores[kept].astype(np.float32), tuple(marks)
    )


def _smudged(field: WorkingField, boxes: Boxes) -> NDArray[np.bool_]:
    """Which cells (N,) are large and have no nucleus: their core is uniform, and hardly as blue or dark as nuclei."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    smudged: NDArray[np.bool_] = width * height * field.microns_per_pixel**2 > _SMUDGE_BOX
    if smudged.any():
        large = boxes[smudged]
        green = field.even.transmission[:, :, 1]
        uniform = np.array([green[core_of(box)].std() < _UNIFORM for box in large])
        support = colour_support(field, large) + darkness_support(field, large)
        smudged[smudged] = uniform & (support < _NUCLEUS_SUPPORT)
    return smudged


def _marks(
    field: WorkingField,
    labels: NDArray[np.int32],
    window: tuple[slice, slice],
    number: int,
    box: NDArray[np.floating],
) -> frozenset[str]:
    scale = field.microns_per_pixel
    height, width = labels.shape
    near = max(round(_TOUCHING / scale), 1)
    rows = slice(max(window[0].start - near, 0), window[0].stop + near)
    columns = slice(max(window[1].start - near, 0), window[1].stop + near)
    part = labels[rows, columns]
    mask = part == number
    around = ndimage.maximum_filter(mask.view(np.uint8), 2 * near + 1).view(np.bool_)
    light = field.even.transmission[rows, columns][mask]
    area = float(mask.sum()) * scale**2
    shape = compactness(mask)
    pale = float(light[:, 1].mean())
    edge = _EDGE / scale
    is_cut = box[0] <= edge or box[1] <= edge or box[2] >= width - edge or box[3] >= height - edge
    found = {
        "touching": bool((around & (part > 0) & ~mask).any()),
        "cut_by_edge": bool(is_cut),
        "doublet": area > _LARGEST_CELL or (area > 0.5 * _LARGEST_CELL and shape < _WAIST),
        "platelet_clump": area < 90 and pale > 0.6 and shape < 0.93,
        "stain_deposit": area < 90 and float((light[:, 2] < _BLACK).mean()) > _BLACK_SHARE,
    }
    return frozenset(name for name, holds in found.items() if holds)


def compactness(mask: NDArray[np.bool_]) -> float:
    """Area over that of the ellipse with the same second moments: 1 for an ellipse, less with a waist or arms."""
    rows, columns = np.nonzero(mask)
    covariance = np.cov(np.stack([rows, columns])) + np.eye(2) / 12
    return float(len(rows) / (4 * np.pi * np.sqrt(max(np.linalg.det(covariance), 1e-9))))
