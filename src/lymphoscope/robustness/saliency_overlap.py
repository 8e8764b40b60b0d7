"""Whether saliency maps lie on the nucleus: their overlap with outlined nuclei and cytoplasm.

Deletion and insertion ask whether the score depends on what a map marks. This asks where the marks are: a haematologist
reads a white cell by its nucleus first, so a map that lies on the background deserves no trust.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from lymphoscope.data import Geometry, fit_image, read_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import REPLICATES, Estimate, Floats, Mask, Outcomes, draw_bootstrap_samples
from lymphoscope.inference import Model
from lymphoscope.progress import tracked
from lymphoscope.robustness.saliency_curves import ATTENTION, CENTRE, GRAD_CAM, centre_map
from lymphoscope.robustness.saliency_scores import mean_group
from lymphoscope.strict_model import StrictModel

if TYPE_CHECKING:
    from lymphoscope.robustness.saliency_model import SaliencyModel

NUCLEUS: Final = 255
CYTOPLASM: Final = 128
_AREA: Final = "area"
_HALF: Final = 0.5

Background = Literal["keep", "black"]

CellOverlap = dict[str, dict[str, float]]
"""The `map_overlap` of each map of one cell, and that of an even map under the name `area`."""


class MapOverlap(StrictModel):
    """Where one kind of map lies, as means over the cells."""

    name: str = Field(description="Name of the map.")
    nucleus: Estimate = Field(description="Fraction of the map's sum that lies on the nucleus, 0-1.")
    cytoplasm: Estimate = Field(description="Fraction of the map's sum that lies on the cytoplasm, 0-1.")
    background: Estimate = Field(description="Fraction of the map's sum that lies outside the cell, 0-1.")
    nucleus_covered: Estimate = Field(
        description="Fraction of the nucleus covered by the highest pixels of the map, as many as the nucleus has."
    )
    peak_on_nucleus: Estimate = Field(description="Fraction of cells whose highest pixel lies on the nucleus.")


class SaliencyOverlap(StrictModel):
    """The overlap of saliency maps with outlined nuclei."""

    cells: int = Field(description="Number of cells.")
    nucleus_area: Estimate = Field(description="Mean fraction of the image that is nucleus: what chance would cover.")
    cytoplasm_area: Estimate = Field(description="Mean fraction of the image that is cytoplasm.")
    maps: list[MapOverlap] = Field(description="One entry per map.")
    attention_minus_centre: Estimate = Field(
        description="`nucleus_covered` of the attention map minus that of the centre of the image, cell by cell."
    )
    verdict: str = Field(description="Whether the attention map lies on the nucleus, in words.")


@dataclass(frozen=True)
class OutlinedCell:
    """The image file of a cell and its mask file: CYTOPLASM and NUCLEUS on 0, of the same size."""

    path: str
    mask: str


def read_outlined_cells(table: str | Path, source: str | None = None) -> list[OutlinedCell]:
    """Read a CSV with the columns `path` and `mask` (relative to it), of one `source` if given.

    Raises LymphoscopeError if a column is missing or no row is left.
    """
    table = Path(table)
    rows = pd.read_csv(table, dtype=str)
    if missing := {"path", "mask", *(["source"] if source else [])} - set(rows.columns):
        raise LymphoscopeError(f"{table}: column {sorted(missing)[0]!r} is missing: name path and mask of each cell")
    rows = rows if source is None else rows[rows["source"] == source]
    if rows.empty:
        raise LymphoscopeError(f"{table}: no row of source {source!r}" if source else f"{table}: no rows")
    paths = zip(rows["path"].astype(str), rows["mask"].astype(str), strict=True)
    return [OutlinedCell(str(table.parent / path), str(table.parent / mask)) for path, mask in paths]


def measure_overlap(
    model: Model,
    cells: Sequence[OutlinedCell],
    *,
    background: Background = "keep",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> SaliencyOverlap:
    """Measure where the attention map, Grad-CAM and the centre of the image lie on outlined cells (docs/robustness.md).

    `background="black"` shows the model each cell cut out on black, as C-NMC's are. Intervals are over cells. Raises
    LymphoscopeError for a model without attention or not on torch, for no cells, and for a mask that does not fit.
    """
    from lymphoscope.robustness.saliency_model import saliency_model_of

    if not cells:
        raise LymphoscopeError("there are no outlined cells to measure on")
    saliency_model = saliency_model_of(model)
    geometry = model.description.preprocessing.geometry()
    measured = [
        _measure_cell(saliency_model, *fitted)
        for fitted in tracked(_fitted(cells, geometry, background), "measuring overlap", len(cells))
    ]
    return summarise_overlap(measured, replicates=replicates, seed=seed)


def summarise_overlap(cells: Sequence[CellOverlap], *, replicates: int, seed: int = 0) -> SaliencyOverlap:
    """Summarise the overlaps of N cells as means over the cells."""
    names = [name for name in cells[0] if name != _AREA]
    values = {
        name: {column: np.array([cell[name][column] for cell in cells], dtype=np.float64) for column in cells[0][name]}
        for name in (*names, _AREA)
    }
    groups = {name: mean_group(each) for name, each in values.items()}
    covered = {name: values[name]["nucleus_covered"] for name in names}
    groups["difference"] = mean_group({"covered": covered[ATTENTION] - covered[CENTRE]}, difference=True)
    alike = np.zeros(len(cells), dtype=np.int64)
    outcomes = Outcomes(alike, alike, np.eye(2)[alike], ("cell", "none"), None)
    samples = draw_bootstrap_samples(
        pd.DataFrame({"subject": [None] * len(cells)}), outcomes, replicates=replicates, seed=seed
    )
    estimates = samples.estimate(groups)
    difference = estimates["difference"]["covered"]
    return SaliencyOverlap(
        cells=len(cells),
        nucleus_area=estimates[_AREA]["nucleus"],
        cytoplasm_area=estimates[_AREA]["cytoplasm"],
        maps=[MapOverlap(name=name, **estimates[name]) for name in names],
        attention_minus_centre=difference,
        verdict=_verdict(estimates[ATTENTION]["nucleus_covered"], estimates[_AREA]["nucleus"], difference),
    )


def map_overlap(saliency_map: NDArray[np.floating], nucleus: Floats, cytoplasm: Floats) -> dict[str, float]:
    """Where a map (S, S) lies, given how much of each pixel is nucleus and cytoplasm, both (S, S) in 0-1.

    The map is scaled to 0-1; a constant map counts as even over the image.
    """
    low, high = float(saliency_map.min()), float(saliency_map.max())
    weights = (saliency_map - low) / (high - low) if high > low else np.ones_like(saliency_map)
    weights = weights / weights.sum()
    on_nucleus, on_cytoplasm = float((weights * nucleus).sum()), float((weights * cytoplasm).sum())
    return {
        "nucleus": on_nucleus,
        "cytoplasm": on_cytoplasm,
        "background": 1 - on_nucleus - on_cytoplasm,
        "nucleus_covered": float(_top(weights, nucleus >= _HALF).mean()) if (nucleus >= _HALF).any() else 0.0,
        "peak_on_nucleus": float(nucleus.ravel()[int(weights.argmax())] >= _HALF),
    }


def _top(weights: NDArray[np.floating], nucleus: Mask) -> Mask:
    """Of each pixel of the nucleus, whether it is among the highest pixels of the map, as many as the nucleus has."""
    count = int(nucleus.sum())
    highest = np.zeros(weights.size, dtype=bool)
    highest[np.argsort(-weights.ravel(), kind="stable")[:count]] = True
    return np.asarray(highest.reshape(weights.shape)[nucleus])


def _measure_cell(model: "SaliencyModel", pixels: NDArray[np.uint8], nucleus: Floats, cytoplasm: Floats) -> CellOverlap:
    saliency = model.saliency_of(pixels)
    maps = {ATTENTION: saliency.attention, GRAD_CAM: saliency.grad_cam, CENTRE: centre_map(len(pixels))}
    rows = {name: map_overlap(each, nucleus, cytoplasm) for name, each in maps.items()}
    rows[_AREA] = map_overlap(np.ones(nucleus.shape, dtype=np.float32), nucleus, cytoplasm)
    return rows


def _fitted(
    cells: Iterable[OutlinedCell], geometry: Geometry, background: Background
) -> Iterable[tuple[NDArray[np.uint8], Floats, Floats]]:
    """Each fitted cell (S, S, 3), and how much of each pixel is nucleus and cytoplasm (S, S), 0-1."""
    for cell in cells:
        pixels = read_image(cell.path)
        with Image.open(cell.mask) as file:
            mask = np.asarray(file.convert("L"))
        if mask.shape != pixels.shape[:2]:
            raise LymphoscopeError(f"{cell.mask}: {mask.shape} pixels, but the cell has {pixels.shape[:2]}")
        if background == "black":
            pixels = np.where(mask[..., None] > 0, pixels, 0).astype(np.uint8)
        nucleus = mask >= (NUCLEUS + CYTOPLASM) // 2
        regions = np.stack([nucleus, (mask > 0) & ~nucleus, mask == 0], axis=-1)
        fitted = fit_image((regions * 255).astype(np.uint8), geometry) / 255  # (S, S, 3)
        yield fit_image(pixels, geometry), fitted[..., 0], fitted[..., 1]


def _verdict(covered: Estimate, area: Estimate, difference: Estimate) -> str:
    if covered.value is None or area.value is None or covered.low is None:
        return f"Whether the attention map lies on the nucleus cannot be said: {covered.reason or area.reason}."
    chance = f"its highest pixels cover {covered.value:.2f} of the nucleus, and chance would cover {area.value:.2f}"
    if covered.low <= area.value:
        return f"The attention map is not shown to lie on the nucleus: {chance}."
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return f"The attention map lies on the nucleus, but no more than the centre of the image does: {chance}."
    how = "more" if difference.low > 0 else "less"
    return f"The attention map lies on the nucleus, {how} than the centre of the image does: {chance}."
