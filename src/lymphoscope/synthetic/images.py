"""A synthetic cell or field, from its key alone: the picture, its masks and its boxes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.synthetic.cells import DrawnCell, draw_cell
from lymphoscope.synthetic.fields import Canvas, Laid, draw_neutrophil, lay_smear
from lymphoscope.synthetic.settings import BLAST, NORMAL, SynthesisSettings
from lymphoscope.synthetic.stains import Subject, photograph
from lymphoscope.synthetic.traits import Scores, draw_scores, traits_of

PIXELS_PER_UM = 17.0
"""Of a cell's picture of 450 pixels; C-NMC's cells are about 205 pixels across."""
FIELD_SIZE = (480, 640)
"""Height and width of a field in pixels."""
FIELD_PIXELS_PER_UM = 7.5
FIELD_KINDS = {BLAST: "WBC:lymphoblast", NORMAL: "WBC:lymphocyte"}
NEUTROPHILS = 0.3
BLASTS_OF_LEUKAEMIA = 0.8
BACKGROUND, CYTOPLASM, NUCLEUS = 0, 128, 255
"""Grey levels of a cell's mask."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CellPicture:
    """A synthetic cell: picture (S, S, 3), mask (S, S) of BACKGROUND, CYTOPLASM, NUCLEUS, and its trait scores (7,)."""

    pixels: Pixels
    mask: Pixels
    scores: Scores


@dataclass(frozen=True)
class FieldPicture:
    """A synthetic field: picture (H, W, 3), what lies in it, and a mask (H, W) with each one's number from 1."""

    pixels: Pixels
    things: list[Laid]
    numbers: NDArray[np.uint16]


def cell_picture(subject: Subject, label: str, settings: SynthesisSettings, rng: np.random.Generator) -> CellPicture:
    """Draw one cell of a class, in the middle of its picture or nearly so."""
    size, scale = settings.size, PIXELS_PER_UM * settings.size / 450
    scores = draw_scores(label, subject.effect, settings.overlap, rng)
    traits = traits_of(scores)
    cell = draw_cell(traits, subject, scale, rng)
    middle = (size / 2 + rng.normal(0, 0.008 * size), size / 2 + rng.normal(0, 0.008 * size))
    canvas = Canvas.empty(size, size, scale)
    if settings.background == "smear":
        lay_smear(canvas, subject, [(*middle, traits.diameter / 2 * scale)], rng)
    canvas.lay(cell, middle, FIELD_KINDS[label], over=True)
    laid = canvas.laid[-1]
    cut_out = settings.background == "black"
    pixels = _cut_out(canvas, laid, subject, rng) if cut_out else photograph(canvas.density, subject, scale, rng)
    return CellPicture(pixels, _mask_of(laid, size), scores)


def field_picture(subject: Subject, settings: SynthesisSettings, rng: np.random.Generator) -> FieldPicture:
    """Draw a field of a subject's smear: one to five white cells, red cells and platelets around them."""
    canvas = Canvas.empty(*FIELD_SIZE, FIELD_PIXELS_PER_UM)
    whites = [_white(subject, settings, rng) for _ in range(rng.integers(1, 6))]
    places = _white_places([len(cell.cover) / 2 for cell, _ in whites], rng)
    taken = [(*place, 0.36 * len(cell.cover)) for place, (cell, _) in zip(places, whites, strict=False)]
    lay_smear(canvas, subject, taken, rng)
    for place, (cell, kind) in zip(places, whites, strict=False):
        canvas.lay(cell, place, kind, over=True)
    numbers = np.zeros(FIELD_SIZE, dtype=np.uint16)
    for number, thing in enumerate(canvas.laid, start=1):
        thing.paint(numbers, thing.mask, number)
    return FieldPicture(photograph(canvas.density, subject, FIELD_PIXELS_PER_UM, rng), canvas.laid, numbers)


def _cut_out(canvas: Canvas, laid: Laid, subject: Subject, rng: np.random.Generator) -> Pixels:
    """The cell alone on black. Only its box is photographed, with as much around as the blur reaches."""
    left, top, right, bottom = laid.box
    reach = math.ceil(3 * subject.blur * canvas.pixels_per_um) + 1
    window = slice(max(top - reach, 0), bottom + reach), slice(max(left - reach, 0), right + reach)
    seen = photograph(canvas.density[window], subject, canvas.pixels_per_um, rng)
    box = slice(top - window[0].start, bottom - window[0].start), slice(left - window[1].start, right - window[1].start)
    pixels = np.zeros(canvas.density.shape, dtype=np.uint8)
    pixels[top:bottom, left:right] = seen[box] * laid.mask[:, :, None]
    return pixels


def _mask_of(laid: Laid, size: int) -> Pixels:
    mask = np.full((size, size), BACKGROUND, dtype=np.uint8)
    laid.paint(mask, laid.mask, CYTOPLASM)
    laid.paint(mask, laid.mask & laid.nucleus, NUCLEUS)
    return mask


def _white(subject: Subject, settings: SynthesisSettings, rng: np.random.Generator) -> tuple[DrawnCell, str]:
    """Three in ten are neutrophils; of the others a blast subject's are mostly blasts, a normal one's never."""
    if rng.random() < NEUTROPHILS:
        return draw_neutrophil(subject, FIELD_PIXELS_PER_UM, rng), "WBC:neutrophil"
    label = BLAST if subject.label == BLAST and rng.random() < BLASTS_OF_LEUKAEMIA else NORMAL
    traits = traits_of(draw_scores(label, subject.effect, settings.overlap, rng))
    return draw_cell(traits, subject, FIELD_PIXELS_PER_UM, rng), FIELD_KINDS[label]


def _white_places(radii: list[float], rng: np.random.Generator) -> list[tuple[float, float]]:
    """A middle (y, x) for each cell, whole within the field and apart; fewer where they find no room."""
    places: list[tuple[float, float]] = []
    for _ in range(50 * len(radii)):
        if len(places) == len(radii):
            break
        radius = radii[len(places)]
        y, x = (float(rng.uniform(radius, side - radius)) for side in FIELD_SIZE)
        others = zip(places, radii, strict=False)
        if all(np.hypot(y - at, x - along) > 0.8 * (radius + other) for (at, along), other in others):
            places.append((y, x))
    return places
