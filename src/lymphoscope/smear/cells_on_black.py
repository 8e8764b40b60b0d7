"""Single cells with surroundings -> cells on black, as C-NMC has them, with their masks."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data import (
    NO_STAIN_METHOD,
    Manifest,
    StainNormalization,
    UnreadableImage,
    measure_reference,
    read_image,
)
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.progress import tracked
from lymphoscope.smear.segmentation import CellMasks, segment_cell

NUCLEUS, CYTOPLASM = 255, 128
"""Grey levels of the masks."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class SegmentedCells:
    """Number of cells written, and the files left out with the reason."""

    written: int
    left_out: tuple[str, ...]


def segment_cells(
    cells: Manifest,
    out: Path,
    *,
    size: int = 450,
    zoom: float = 1.0,
    stain: str = NO_STAIN_METHOD,
    reference: Manifest | None = None,
) -> SegmentedCells:
    """Write each cell on black to OUT/LABEL, its mask to OUT/masks, and OUT/cells.csv.

    `size` is the side of the images in pixels, in whose middle the cell lies, enlarged by `zoom`. With a `stain` method
    the cells get the colours of the cells of `reference`. Raises LymphoscopeError if `out` is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise LymphoscopeError(f"{out}: not empty; choose another --out")
    normalization = _normalization(stain, reference)
    rows, left_out = [], []
    records = cells.table.to_dict("records")
    for number, record in enumerate(tracked(records, "cells", len(records))):
        try:
            pixels, mask = _segmented(_zoomed(str(record["path"]), zoom), str(record["path"]), size, normalization)
        except UnreadableImage as error:
            left_out.append(str(error))
            continue
        label = record["label"] if isinstance(record["label"], str) else "cells"
        name = f"{number:06d}_{Path(record['path']).stem}.png"
        _save(pixels, out / label / name)
        _save(mask, out / "masks" / name)
        known = {key: record[key] for key in ("label", "subject", "slide")}
        rows.append({"path": f"{label}/{name}", "mask": f"masks/{name}", "taken_from": record["path"], **known})
    if rows:
        pd.DataFrame(rows).to_csv(out / "cells.csv", index=False)
    return SegmentedCells(len(rows), tuple(left_out))


def _normalization(stain: str, reference: Manifest | None) -> StainNormalization | None:
    if stain == NO_STAIN_METHOD:
        return None
    if reference is None:
        raise LymphoscopeError(f"--stain {stain} needs --reference: cells with the colours to match")
    return measure_reference(stain, _images(reference))


def _zoomed(path: str, zoom: float) -> Pixels:
    image = read_image(path)
    if zoom == 1:
        return image
    height, width = (max(round(side * zoom), 1) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _segmented(image: Pixels, path: str, size: int, normalization: StainNormalization | None) -> tuple[Pixels, Pixels]:
    """The cell on black and its mask. Raises UnreadableImage if no cell stands out."""
    masks = segment_cell(image)
    if not masks.found:
        raise UnreadableImage(path, "no cell stands out in the middle")
    pixels, mask = cell_on_black(image, masks, size)
    if normalization is not None:
        pixels = np.where(mask[:, :, None] > 0, normalization.apply(pixels), 0).astype(np.uint8)
    return pixels, mask


def cell_on_black(image: Pixels, masks: CellMasks, size: int) -> tuple[Pixels, Pixels]:
    """Return the cell (size, size, 3) in the middle of black, and its mask (size, size) of 0, 128 and 255."""
    rows, columns = np.nonzero(masks.cell)
    middle = (rows.min() + rows.max() + 1) // 2, (columns.min() + columns.max() + 1) // 2
    mask = np.where(masks.nucleus, NUCLEUS, np.where(masks.cell, CYTOPLASM, 0)).astype(np.uint8)
    alone = np.where(masks.cell[:, :, None], image, 0).astype(np.uint8)
    pixels, centred = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
    top, left = size // 2 - middle[0], size // 2 - middle[1]
    height, width = mask.shape
    to = np.s_[max(top, 0) : min(top + height, size), max(left, 0) : min(left + width, size)]
    source = np.s_[max(-top, 0) : min(height, size - top), max(-left, 0) : min(width, size - left)]
    pixels[to], centred[to] = alone[source], mask[source]
    return pixels, centred


def _images(cells: Manifest) -> Iterable[Pixels]:
    return (read_image(path) for path in cells.table["path"])


def _save(pixels: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path, durable=False) as beside:
        Image.fromarray(pixels).save(beside, format="PNG")
