"""Draw the image of a synthetic cell or field, with its masks and its objects."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.synthetic.cells import DrawnCell, draw_cell
from lymphoscope.synthetic.fields import Canvas, CanvasObject, add_other_cells, draw_neutrophil
from lymphoscope.synthetic.settings import BLAST, NORMAL, SynthesisSettings
from lymphoscope.synthetic.subjects import Scores, Subject, draw_scores, photograph, traits_of

PIXELS_PER_UM = 17.0
"""Scale of a cell image of 450 pixels; C-NMC's cells are about 205 pixels in diameter."""
FIELD_SIZE = (480, 640)
"""Height and width of a field in pixels."""
FIELD_PIXELS_PER_UM = 7.5
FIELD_CLASSES = {BLAST: "WBC:lymphoblast", NORMAL: "WBC:lymphocyte"}
NEUTROPHIL_PROBABILITY = 0.3
BLAST_PROBABILITY = 0.8
BACKGROUND, CYTOPLASM, NUCLEUS = 0, 128, 255
"""Grey levels of a cell's mask."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CellImage:
    """A synthetic cell: image (S, S, 3), mask (S, S) of BACKGROUND, CYTOPLASM, NUCLEUS, and its trait scores (7,)."""

    pixels: Pixels
    mask: Pixels
    scores: Scores


@dataclass(frozen=True)
class FieldImage:
    """A synthetic field: image (H, W, 3), its objects, and a mask (H, W) with the number of each object, from 1."""

    pixels: Pixels
    objects: list[CanvasObject]
    numbers: NDArray[np.uint16]


def draw_cell_image(subject: Subject, label: str, settings: SynthesisSettings, rng: np.random.Generator) -> CellImage:
    """Draw one cell of a class, close to the centre of its image."""
    size, scale = settings.size, PIXELS_PER_UM * settings.size / 450
    scores = draw_scores(label, subject.effect, settings.overlap, rng)
    traits = traits_of(scores)
    cell = draw_cell(traits, subject, scale, rng)
    centre = (size / 2 + rng.normal(0, 0.008 * size), size / 2 + rng.normal(0, 0.008 * size))
    canvas = Canvas.empty(size, size, scale)
    if settings.background == "smear":
        add_other_cells(canvas, subject, [(*centre, traits.diameter / 2 * scale)], rng)
    canvas.place(cell, centre, FIELD_CLASSES[label], over=True)
    drawn = canvas.objects[-1]
    on_black = settings.background == "black"
    pixels = _on_black(canvas, drawn, subject, rng) if on_black else photograph(canvas.density, subject, scale, rng)
    return CellImage(pixels, _mask_of(drawn, size), scores)


def draw_field_image(subject: Subject, settings: SynthesisSettings, rng: np.random.Generator) -> FieldImage:
    """Draw a field of a subject's smear: one to five white cells, red cells and platelets around them."""
    canvas = Canvas.empty(*FIELD_SIZE, FIELD_PIXELS_PER_UM)
    cells = [_draw_white_cell(subject, settings, rng) for _ in range(rng.integers(1, 6))]
    centres = _white_cell_centres([len(cell.cover) / 2 for cell, _ in cells], rng)
    discs = [(*centre, 0.36 * len(cell.cover)) for centre, (cell, _) in zip(centres, cells, strict=False)]
    add_other_cells(canvas, subject, discs, rng)
    for centre, (cell, class_name) in zip(centres, cells, strict=False):
        canvas.place(cell, centre, class_name, over=True)
    numbers = np.zeros(FIELD_SIZE, dtype=np.uint16)
    for number, drawn in enumerate(canvas.objects, start=1):
        drawn.paint(numbers, drawn.mask, number)
    return FieldImage(photograph(canvas.density, subject, FIELD_PIXELS_PER_UM, rng), canvas.objects, numbers)


def _on_black(canvas: Canvas, drawn: CanvasObject, subject: Subject, rng: np.random.Generator) -> Pixels:
    """The cell alone on black. Only its box is photographed, with a margin as wide as the blur."""
    left, top, right, bottom = drawn.box
    margin = math.ceil(3 * subject.blur * canvas.pixels_per_um) + 1
    window = slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)
    photo = photograph(canvas.density[window], subject, canvas.pixels_per_um, rng)
    box = slice(top - window[0].start, bottom - window[0].start), slice(left - window[1].start, right - window[1].start)
    pixels = np.zeros(canvas.density.shape, dtype=np.uint8)
    pixels[top:bottom, left:right] = photo[box] * drawn.mask[:, :, None]
    return pixels


def _mask_of(drawn: CanvasObject, size: int) -> Pixels:
    mask = np.full((size, size), BACKGROUND, dtype=np.uint8)
    drawn.paint(mask, drawn.mask, CYTOPLASM)
    drawn.paint(mask, drawn.mask & drawn.nucleus, NUCLEUS)
    return mask


def _draw_white_cell(subject: Subject, settings: SynthesisSettings, rng: np.random.Generator) -> tuple[DrawnCell, str]:
    """A cell and its class: 30 % are neutrophils; of the others most are blasts for a blast subject, else none."""
    if rng.random() < NEUTROPHIL_PROBABILITY:
        return draw_neutrophil(subject, FIELD_PIXELS_PER_UM, rng), "WBC:neutrophil"
    label = BLAST if subject.label == BLAST and rng.random() < BLAST_PROBABILITY else NORMAL
    traits = traits_of(draw_scores(label, subject.effect, settings.overlap, rng))
    return draw_cell(traits, subject, FIELD_PIXELS_PER_UM, rng), FIELD_CLASSES[label]


def _white_cell_centres(radii: list[float], rng: np.random.Generator) -> list[tuple[float, float]]:
    """Centres (y, x) of cells that lie inside the field and apart; fewer than `radii` if there is no room."""
    centres: list[tuple[float, float]] = []
    for _ in range(50 * len(radii)):
        if len(centres) == len(radii):
            break
        radius = radii[len(centres)]
        y, x = (float(rng.uniform(radius, side - radius)) for side in FIELD_SIZE)
        others = zip(centres, radii, strict=False)
        if all(np.hypot(y - cy, x - cx) > 0.8 * (radius + other) for (cy, cx), other in others):
            centres.append((y, x))
    return centres
