"""Fields with boxes at the working scale, by source, to train on."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from lymphoscope.data.image_files import walk_files
from lymphoscope.data.images import read_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.detection.box_files import BoxedImage
from lymphoscope.smear.detection.training_samples import CutOut, TrainingField
from lymphoscope.smear.detection.working_scale import working_field
from lymphoscope.smear.scale import estimate_scale


def choose_images(
    images: Sequence[BoxedImage], per_source: int | None, without: Sequence[BoxedImage]
) -> list[BoxedImage]:
    """Return at most `per_source` evenly spaced images of each source, and of those without white cells."""
    chosen = []
    for source in dict.fromkeys(image.source for image in [*images, *without]):
        own = [image for image in [*images, *without] if image.source == source]
        count = min(len(own), per_source or len(own))
        chosen += [own[round(place)] for place in np.linspace(0, len(own) - 1, count)]
    return chosen


def without_sources(images: Sequence[BoxedImage], leave_out: Sequence[str], named_in: Path) -> list[BoxedImage]:
    """Return the images of the other sources. Raises LymphoscopeError for an unknown source, or if none remain."""
    sources = {image.source for image in images}
    for name in leave_out:
        if name not in sources:
            raise LymphoscopeError(
                f"{named_in}: no source {name} to leave out; its sources: {', '.join(sorted(sources))}"
            )
    if sources <= set(leave_out):
        raise LymphoscopeError(f"{named_in}: every source is left out; nothing remains to train on")
    return [image for image in images if image.source not in leave_out]


def images_without_cells(folder: Path) -> list[BoxedImage]:
    """Return the images of a folder as a source of their own, without boxes. Raises LymphoscopeError if it has none."""
    images = [BoxedImage(path, np.zeros((0, 4), np.float32), f"without: {folder.name}") for path in walk_files(folder)]
    if not images:
        raise LymphoscopeError(f"{folder}: no images in it; --without needs images without white cells")
    return images


def load_training_fields(
    images: Iterable[BoxedImage],
    microns_per_pixel: float | None = None,
    report: Callable[[str], None] = lambda *_: None,
) -> dict[str, list[TrainingField]]:
    """Read fields at the given scale, or at the one that their red cells tell; source -> fields.

    A field whose scale cannot be told takes the median of its source, and this is reported. Raises LymphoscopeError if
    no scale is known.
    """
    read = [(image, read_image(image.path)) for image in images]
    scales = [microns_per_pixel or estimate_scale(pixels).microns_per_pixel for _, pixels in read]
    fields: dict[str, list[TrainingField]] = {}
    for (image, pixels), own in zip(read, scales, strict=True):
        scale = own or _median_scale(image, [(other, s) for (other, _), s in zip(read, scales, strict=True)])
        if own is None:
            report(f"{image.path}: no scale from its red cells, taking {scale:.3g} microns per pixel of its source")
        field = working_field(pixels, scale)
        boxes = image.boxes * np.array([*field.zoom, *field.zoom], np.float32)
        fields.setdefault(image.source, []).append(
            TrainingField.of(field.even.transmission, boxes, field.microns_per_pixel)
        )
    return fields


def _median_scale(image: BoxedImage, others: Sequence[tuple[BoxedImage, float | None]]) -> float:
    known = [scale for other, scale in others if other.source == image.source and scale is not None]
    if not known:
        raise LymphoscopeError(f"{image.path}: no round red cells tell its scale; give --mpp")
    return float(np.median(known))


def load_cut_outs(folders: Iterable[Path]) -> list[CutOut]:
    """Read the cells on black of folders, to be pasted into fields, evenly spaced and as many of each folder.

    Images without a single round cell on black are left out, and so are masks of `data segment`. Raises
    LymphoscopeError for a folder without any.
    """
    found = []
    for folder in folders:
        paths = [path for path in walk_files(folder) if "masks" not in path.relative_to(folder).parts[:-1]]
        cells = [cell for cell in (CutOut.of(read_image(path)) for path in paths) if cell is not None]
        if not cells:
            raise LymphoscopeError(f"{folder}: no cells on black in it; --cells needs images of single cells on black")
        found.append(cells)
    fewest = min((len(cells) for cells in found), default=0)
    return [cells[round(place)] for cells in found for place in np.linspace(0, len(cells) - 1, fewest)]
