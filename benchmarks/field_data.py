"""The fields with boxes that the detection benchmarks use: DATA/boxes.csv with its images, five sources."""

import pickle
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.images import read_image
from lymphoscope.smear.detection.box_files import read_boxes
from lymphoscope.smear.scale import estimate_scale

SAME_IMAGES = {"TXL-PBC": "BCCD"}
"""Sources that share images: they are left out together."""


@dataclass(frozen=True)
class Field:
    """A field, its boxes (N, 4) x0, y0, x1, y1 of white cells and its scale, estimated or its source's median."""

    path: Path
    source: str
    boxes: NDArray[np.float32]
    microns_per_pixel: float
    estimated: bool

    @property
    def group(self) -> str:
        """The source, or the one that it shares images with."""
        return SAME_IMAGES.get(self.source, self.source)


def load_fields(
    data: Path, per_source: int | None, cache: Path | None = None, trained_on: int | None = None
) -> list[Field]:
    """Read boxes and estimate the scale of each field; at most `per_source` evenly spaced fields per source.

    Fields that a training with `--per-source trained_on` takes are left out; a source then has none if all were used.
    The cache holds all fields.
    """
    if cache is not None and trained_on is not None:
        raise ValueError("the cache holds fields of trainings too")
    if cache is not None and cache.exists():
        known: list[Field] = pickle.loads(cache.read_bytes())  # noqa: S301
        sources = dict.fromkeys(field.source for field in known)
        parts = [[field for field in known if field.source == source] for source in sources]
        return [part[k] for part in parts for k in _evenly(len(part), per_source)]
    wanted, per_source = per_source, None if cache is not None else per_source
    images = read_boxes(data / "boxes.csv")
    counts = Counter(image.source for image in images)
    chosen = []
    for source, count in counts.items():
        own = [image for image in images if image.source == source]
        if trained_on is not None:
            used = set(_evenly(count, trained_on))
            own = [image for place, image in enumerate(own) if place not in used]
        chosen += [own[k] for k in _evenly(len(own), per_source)]
    scales = [estimate_scale(read_image(image.path)).microns_per_pixel for image in chosen]
    medians = {
        source: float(np.median([s for image, s in zip(chosen, scales, strict=True) if s and image.source == source]))
        for source in {image.source for image in chosen}
    }
    fields = [
        Field(image.path, image.source, image.boxes, scale or medians[image.source], scale is not None)
        for image, scale in zip(chosen, scales, strict=True)
    ]
    if cache is None:
        return fields
    cache.write_bytes(pickle.dumps(fields))
    return load_fields(data, wanted, cache)


def _evenly(count: int, wanted: int | None) -> list[int]:
    """Return evenly spaced indices of `count` items."""
    return [round(k) for k in np.linspace(0, count - 1, min(count, wanted or count))]


def intersection_over_union(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap (N, M) of boxes (N, 4) and (M, 4) of x0, y0, x1, y1."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    shared = np.clip(np.minimum(first[:, None, 2:], second[None, :, 2:]) - corner, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    ratio: NDArray[np.float32] = shared / (areas[0][:, None] + areas[1][None] - shared)
    return ratio
