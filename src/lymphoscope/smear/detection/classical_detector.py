"""The classical detector: candidate regions of blue minus green, scored by the verifier; needs no network runtime."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.smear.detection.assembly import assemble
from lymphoscope.smear.detection.cell_masks import Boxes
from lymphoscope.smear.detection.colour import colour_support
from lymphoscope.smear.detection.detector import Detections, Detector, Pixels
from lymphoscope.smear.detection.features import FEATURES, RegionFeatures
from lymphoscope.smear.detection.regions import MAX_AREA, Region, all_regions, best_regions, candidate_regions
from lymphoscope.smear.detection.tiling import detect_in_tiles
from lymphoscope.smear.detection.verifier import Verifier, load_verifier
from lymphoscope.smear.detection.working_scale import WorkingField, working_field

THRESHOLD = 0.45
"""Score from which a region is a cell."""


@dataclass(frozen=True)
class ClassicalDetector:
    """Finds white cells by the colour of their nuclei."""

    verifier: Verifier
    name: str = "classical"

    def detect(self, image: Pixels, microns_per_pixel: float) -> Detections:
        """Find the white cells of an image (H, W, 3) uint8 RGB."""
        return detect_in_tiles(image, microns_per_pixel, self._detect_tile)

    def _detect_tile(self, image: Pixels, microns_per_pixel: float) -> Detections:
        field = working_field(image, microns_per_pixel)
        boxes, scores = self.find_boxes(field)
        return assemble(field, boxes, scores)

    def find_boxes(self, field: WorkingField) -> tuple[Boxes, NDArray[np.float32]]:
        """Return boxes (N, 4) x0, y0, x1, y1 in pixels of the working field, and scores (N,)."""
        roots = candidate_regions(field.index, field.slope, field.microns_per_pixel)
        regions = plausible_regions(roots, field)
        if not regions:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        scores, growth = self.verifier.judge(measure_regions(regions, field))
        for region, score, (wider, higher) in zip(regions, scores, growth, strict=True):
            region.score, region.growth = float(score), (float(wider), float(higher))
        chosen = best_regions(roots, THRESHOLD)
        boxes = np.array([_grown(region, field.index.shape) for region in chosen], np.float32).reshape(-1, 4)
        scores = np.array([region.score for region in chosen], np.float32) * colour_support(field, boxes)
        kept = scores >= THRESHOLD
        return boxes[kept], scores[kept]


def create() -> Detector:
    """Return the classical detector."""
    return ClassicalDetector(load_verifier())


def plausible_regions(roots: list[Region], field: WorkingField) -> list[Region]:
    """Return the regions of the trees that are not larger than any cell."""
    largest = MAX_AREA / field.microns_per_pixel**2
    return [region for region in all_regions(roots) if region.mask.sum() <= largest]


def measure_regions(regions: list[Region], field: WorkingField) -> NDArray[np.float32]:
    """Return the features (N, F) of regions."""
    measure = RegionFeatures(field.even, field.index, field.microns_per_pixel).measure
    return np.array([measure(region) for region in regions], np.float32).reshape(-1, len(FEATURES))


def _grown(region: Region, size: tuple[int, ...]) -> tuple[float, float, float, float]:
    """The box of the whole cell around a region, which may be its nucleus only."""
    rows, columns = region.window
    middle_x, middle_y = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
    wide = (columns.stop - columns.start) / 2 * region.growth[0]
    high = (rows.stop - rows.start) / 2 * region.growth[1]
    return (
        max(middle_x - wide, 0.0),
        max(middle_y - high, 0.0),
        min(middle_x + wide, float(size[1])),
        min(middle_y + high, float(size[0])),
    )
