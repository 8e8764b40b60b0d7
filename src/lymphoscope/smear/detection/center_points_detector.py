"""A trained detector: a centre-point network run by ONNX Runtime, from a folder with `detector.json`."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.smear.detection.assembly import assemble
from lymphoscope.smear.detection.cell_masks import Boxes
from lymphoscope.smear.detection.colour import colour_support, darkness_support
from lymphoscope.smear.detection.detector import Detections, Detector, Pixels
from lymphoscope.smear.detection.detector_file import DetectorDescription, read_detector_file
from lymphoscope.smear.detection.tiling import detect_in_tiles
from lymphoscope.smear.detection.working_scale import WorkingField, working_field
from lymphoscope.smear.illumination import EvenField

_MULTIPLE = 16
_SAME_CELL = 0.45
"""Overlap (intersection over union) of two boxes of one cell."""
_SAME_PLACE = 0.6
"""Distance of the centres of two boxes of one cell, in units of the mean of their sides: two discs that touch have 1.

The lobes of one nucleus have 0.3 to 0.65, and two cells that overlap in thick places 0.65 and more.
"""


@dataclass(frozen=True)
class TrainedDetector:
    """Finds white cells by a network; `folder` is its model file."""

    folder: Path
    description: DetectorDescription

    @property
    def name(self) -> str:
        """The name in the model file."""
        return self.description.name

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Several tiles are searched at once: threads that wait actively take the processor from the other tiles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(
            str(self.folder / "detector.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def detect(self, image: Pixels, microns_per_pixel: float) -> Detections:
        """Find the white cells of an image (H, W, 3) uint8 RGB."""
        return detect_in_tiles(image, microns_per_pixel, self._detect_tile)

    def _detect_tile(self, image: Pixels, microns_per_pixel: float) -> Detections:
        field = working_field(image, microns_per_pixel)
        boxes, scores = self.find_boxes(field)
        return assemble(field, boxes, scores, keep_boxes=True)

    def find_boxes(self, field: WorkingField) -> tuple[Boxes, NDArray[np.float32]]:
        """Return boxes (N, 4) x0, y0, x1, y1 in pixels of the working field, and scores (N,), the best first."""
        heat, size, peak = self._session.run(None, {"light": _padded(field.even)})
        heat = heat[0, 0]
        rows, columns = np.nonzero((heat == peak[0, 0]) & (heat >= self.description.threshold))
        scores = heat[rows, columns]
        stride = 4
        x, y = (columns + 0.5) * stride, (rows + 0.5) * stride
        wide, high = size[0, 0, rows, columns] / 2, size[0, 1, rows, columns] / 2
        boxes = np.stack([x - wide, y - high, x + wide, y + high], axis=1).astype(np.float32)
        height, width = field.even.lit.shape
        boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        inside = (x < width) & (y < height)
        # Pale blasts are neither very blue nor very dark: a product would count against them twice what is one doubt.
        scores = scores * np.minimum(colour_support(field, boxes), darkness_support(field, boxes)) * inside
        keep = one_per_cell(boxes, scores)
        keep = keep[scores[keep] >= self.description.threshold]
        return boxes[keep], scores[keep]


SHIPPED = Path(__file__).parent / "center_points"
"""The trained detector that ships."""


def create() -> Detector:
    """Return the trained detector that ships."""
    return load(SHIPPED)


def load(folder: Path) -> Detector:
    """Read a trained detector. Raises LymphoscopeError if the folder is not one."""
    return TrainedDetector(folder, read_detector_file(folder))


def one_per_cell(boxes: Boxes, scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the indices of boxes that are no second box of a cell with a better one, the best first."""
    order = np.argsort(-scores, kind="stable")
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    areas, centres = sides.prod(axis=1), (boxes[:, :2] + boxes[:, 2:]) / 2
    kept: list[int] = []
    for index in order:
        others = np.array(kept, dtype=int)
        corner = np.maximum(boxes[others, :2], boxes[index, :2])
        opposite = np.minimum(boxes[others, 2:], boxes[index, 2:])
        shared = np.clip(opposite - corner, 0, None).prod(axis=1)
        overlaps = shared > _SAME_CELL * (areas[others] + areas[index] - shared)
        apart = 2 * (centres[others] - centres[index]) / (sides[others] + sides[index])
        if not (overlaps | (np.hypot(*apart.T) < _SAME_PLACE)).any():
            kept.append(int(index))
    return np.array(kept, dtype=np.intp)


def _padded(even: EvenField) -> NDArray[np.float32]:
    """The light (1, 3, H, W), with glass added to sides of multiples of 16."""
    light = np.where(even.lit[:, :, None], np.clip(even.transmission, 0, 1.02), 1.0)
    height, width = light.shape[:2]
    padding = ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0))
    full = np.pad(light, padding, constant_values=1.0)
    return np.ascontiguousarray(full.transpose(2, 0, 1)[None], dtype=np.float32)
