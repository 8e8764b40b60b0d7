"""Synthetic fields of a smear with exact truth: every white cell, pairs that touch, cells that the edge cuts.

Unlike the fields of a synthetic set, a smear field has the size, the scale, the number of cells, the stain and the
empty or thick areas that it is asked for, so that finding and counting can be checked against what was drawn.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lymphoscope.files import write_json, write_text
from lymphoscope.strict_model import StrictModel
from lymphoscope.synthetic.artefacts import ARTEFACTS
from lymphoscope.synthetic.cells import DrawnCell, draw_cell
from lymphoscope.synthetic.cohort import encode_png, write_bytes
from lymphoscope.synthetic.fields import NEUTROPHIL_DIAMETER, Canvas, draw_neutrophil, draw_platelet, draw_red_cell
from lymphoscope.synthetic.settings import BLAST, NORMAL, Drawn, random_generator
from lymphoscope.synthetic.subjects import Subject, draw_scores, draw_subject, photograph, traits_of

NEUTROPHIL = "segmented_neutrophil"
TRUTH_COLUMNS = ("field", "class", "x", "y", "width", "height", "touching", "cut_by_edge")
_BANK = 16
"""Different red cells of a field; each is placed many times, turned and mirrored."""

Pixels = NDArray[np.uint8]
Centre = tuple[float, float]


class SmearSettings(StrictModel):
    """What is on the fields of a synthetic smear."""

    fields: int = Field(default=4, ge=1, le=9999, description="Number of fields.")
    width: int = Field(default=1024, ge=64, le=20000, description="Width of a field in pixels.")
    height: int = Field(default=768, ge=64, le=20000, description="Height of a field in pixels.")
    microns_per_pixel: float = Field(default=0.14, gt=0, le=2, description="Scale of the fields.")
    white_cells: int = Field(default=8, ge=0, description="White cells of a field that touch no other.")
    touching_pairs: int = Field(default=1, ge=0, description="Pairs of white cells that touch.")
    cut_cells: int = Field(default=1, ge=0, description="White cells that the edge of the field cuts.")
    smudges: int = Field(default=0, ge=0, description="Smudge cells of a field.")
    platelet_clumps: int = Field(default=0, ge=0, description="Clumps of platelets of a field.")
    stain_deposits: int = Field(default=0, ge=0, description="Deposits of stain of a field.")
    blast_share: float = Field(default=0.4, ge=0, le=1, description="Probability that a white cell is a blast.")
    neutrophil_share: float = Field(default=0.3, ge=0, le=1, description="Probability that another one is granulated.")
    red_cells: bool = Field(default=True, description="Whether there are red cells and platelets.")
    red_diameter: float = Field(default=7.5, gt=2, lt=15, description="Mean diameter of the red cells, micrometres.")
    empty_share: float = Field(default=0.0, ge=0, le=1, description="Share of the width, at the right, without cells.")
    thick_share: float = Field(default=0.0, ge=0, le=1, description="Share of the width, at the left, of piled cells.")
    stain_strength: float = Field(default=1.0, gt=0, le=4, description="Factor of all stains.")
    seed: int = Field(default=0, ge=0, description="Seed of all random numbers.")


@dataclass(frozen=True)
class TrueCell:
    """A white cell as drawn: its class, its box in pixels of the field, and how it lies."""

    class_name: str
    x: int
    y: int
    width: int
    height: int
    touching: bool
    cut_by_edge: bool

    @property
    def centre(self) -> Centre:
        """x and y of the centre of the box."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class SmearField:
    """A synthetic field (H, W, 3), its white cells, and what is none: smudges, clumps and deposits."""

    pixels: Pixels
    cells: tuple[TrueCell, ...]
    artefacts: tuple[TrueCell, ...] = ()


@dataclass(frozen=True)
class _Placed:
    cell: DrawnCell
    class_name: str
    y: float
    x: float
    radius: float
    touching: bool = False
    cut: bool = False


def synthesize_smear(folder: Path, settings: SmearSettings) -> list[TrueCell]:
    """Write `fields/field-0001.png`, ..., `truth.csv` and `synthetic.json` to a folder; return all white cells.

    The same settings give the same bytes.
    """
    write_json(folder / "synthetic.json", {"synthetic": True, "settings": settings.model_dump(mode="json")})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(TRUTH_COLUMNS)
    cells: list[TrueCell] = []
    for number in range(settings.fields):
        field, name = draw_smear_field(settings, number), f"field-{number + 1:04d}.png"
        write_bytes(folder / "fields" / name, encode_png(field.pixels))
        for one in field.cells:
            table.writerow((name, one.class_name, one.x, one.y, one.width, one.height, one.touching, one.cut_by_edge))
        cells += field.cells
    write_text(folder / "truth.csv", text.getvalue())
    return cells


def draw_smear_field(settings: SmearSettings, number: int = 0, *, at: Sequence[Centre] = ()) -> SmearField:
    """Draw one field; `at` are centres (x, y) in pixels of further white cells, such as those on a seam of tiles."""
    rng = random_generator(settings.seed, Drawn.FIELD, 1_000_000, number)
    subject = _subject(settings)
    canvas = Canvas.empty(settings.height, settings.width, 1 / settings.microns_per_pixel)
    placed = _white_cells(settings, subject, at, rng)
    _add_artefacts(placed, settings, subject, rng)
    if settings.red_cells:
        _add_red_cells(canvas, settings, subject, placed, rng)
    cells = []
    for one in placed:
        before = len(canvas.objects)
        canvas.place(one.cell, (one.y, one.x), one.class_name, over=True)
        if len(canvas.objects) > before:
            left, top, right, bottom = canvas.objects[-1].box
            cells.append(TrueCell(one.class_name, left, top, right - left, bottom - top, one.touching, one.cut))
    white = tuple(cell for cell in cells if cell.class_name not in ARTEFACTS)
    others = tuple(cell for cell in cells if cell.class_name in ARTEFACTS)
    return SmearField(photograph(canvas.density, subject, canvas.pixels_per_um, rng), white, others)


def _subject(settings: SmearSettings) -> Subject:
    drawn = draw_subject("SMEAR", BLAST, random_generator(settings.seed, Drawn.SUBJECT, 1_000_000))
    return replace(
        drawn, red_radius=settings.red_diameter / 2, stains=drawn.stains * np.float32(settings.stain_strength)
    )


def _white_cells(
    settings: SmearSettings, subject: Subject, at: Sequence[Centre], rng: np.random.Generator
) -> list[_Placed]:
    """Draw and place all white cells; those without room are left out."""
    placed = [_draw(settings, subject, y, x, rng) for x, y in at]
    for _ in range(settings.cut_cells):
        _try(placed, lambda: _on_edge(settings, subject, rng))
    for _ in range(settings.touching_pairs):
        _try_pair(placed, settings, subject, rng)
    for _ in range(settings.white_cells):
        _try(placed, lambda: _inside(settings, subject, rng))
    return placed


def _add_artefacts(placed: list[_Placed], settings: SmearSettings, subject: Subject, rng: np.random.Generator) -> None:
    """Draw and place what is no white cell, clear of the white cells."""
    numbers = {"smudge": settings.smudges, "platelet_clump": settings.platelet_clumps}
    for name, number in (numbers | {"stain_deposit": settings.stain_deposits}).items():
        for _ in range(number):
            _try(placed, lambda name=name: _artefact(name, settings, subject, rng))  # type: ignore[misc]


def _artefact(name: str, settings: SmearSettings, subject: Subject, rng: np.random.Generator) -> _Placed:
    drawn = ARTEFACTS[name](subject, 1 / settings.microns_per_pixel, rng)
    radius = math.sqrt(max(int(drawn.cell.sum()), 1) / math.pi)
    reach = len(drawn.cover) / 2
    y, x = (float(rng.uniform(reach, max(side - reach, reach + 1))) for side in (settings.height, settings.width))
    return _Placed(drawn, name, y, x, radius)


def _try(placed: list[_Placed], draw: Callable[[], _Placed]) -> None:
    for _ in range(60):
        one = draw()
        if all(_gap(one, other) > 0.35 * one.radius for other in placed):
            placed.append(one)
            return


def _try_pair(placed: list[_Placed], settings: SmearSettings, subject: Subject, rng: np.random.Generator) -> None:
    for _ in range(60):
        first, turn = _inside(settings, subject, rng, margin=3.2), rng.uniform(0, 2 * math.pi)
        second = _draw(settings, subject, 0, 0, rng)
        apart = 0.95 * (first.radius + second.radius)
        second = replace(second, y=first.y + apart * math.sin(turn), x=first.x + apart * math.cos(turn))
        pair = [replace(one, touching=True) for one in (first, second)]
        if all(_gap(one, other) > 0.35 * one.radius for one in pair for other in placed):
            placed.extend(pair)
            return


def _gap(one: _Placed, other: _Placed) -> float:
    return math.hypot(one.y - other.y, one.x - other.x) - one.radius - other.radius


def _inside(settings: SmearSettings, subject: Subject, rng: np.random.Generator, margin: float = 1.15) -> _Placed:
    one = _draw(settings, subject, 0, 0, rng)
    reach = margin * one.radius
    left = settings.thick_share * settings.width + reach
    right = (1 - settings.empty_share) * settings.width - reach
    return replace(
        one,
        y=float(rng.uniform(reach, max(settings.height - reach, reach + 1))),
        x=float(rng.uniform(left, max(right, left + 1))),
    )


def _on_edge(settings: SmearSettings, subject: Subject, rng: np.random.Generator) -> _Placed:
    one = _draw(settings, subject, 0, 0, rng)
    off = float(rng.uniform(-0.4, 0.4)) * one.radius
    x, y = float(rng.uniform(0, settings.width)), float(rng.uniform(0, settings.height))
    sides = [(off, x), (settings.height - off, x), (y, off), (y, settings.width - off)]
    y, x = sides[int(rng.integers(4))]
    return replace(one, y=y, x=x, cut=True)


def _draw(settings: SmearSettings, subject: Subject, y: float, x: float, rng: np.random.Generator) -> _Placed:
    scale = 1 / settings.microns_per_pixel
    label = BLAST if rng.random() < settings.blast_share else NORMAL
    if label == NORMAL and rng.random() < settings.neutrophil_share:
        return _Placed(draw_neutrophil(subject, scale, rng), NEUTROPHIL, y, x, NEUTROPHIL_DIAMETER / 2 * scale)
    traits = traits_of(draw_scores(label, subject.effect, 0.06, rng))
    return _Placed(draw_cell(traits, subject, scale, rng), label, y, x, traits.diameter / 2 * scale)


def _add_red_cells(
    canvas: Canvas, settings: SmearSettings, subject: Subject, white: list[_Placed], rng: np.random.Generator
) -> None:
    """Red cells on a jittered grid, clear of the white cells; piled up in the thick part, none in the empty one."""
    bank = [draw_red_cell(subject, canvas.pixels_per_um, rng) for _ in range(_BANK)]
    platelets = [draw_platelet(subject, canvas.pixels_per_um, rng) for _ in range(4)]
    radius = subject.red_radius * canvas.pixels_per_um
    thick, empty = settings.thick_share * settings.width, (1 - settings.empty_share) * settings.width
    positions = np.array([(one.y, one.x, one.radius) for one in white]).reshape(-1, 3)
    for y, x in _jittered(settings.height, settings.width, radius, rng):
        clear = np.hypot(y - positions[:, 0], x - positions[:, 1]) > positions[:, 2] + 1.02 * radius
        if x > empty + radius or not clear.all():
            continue
        for _ in range(4 if x < thick else 1):
            dy, dx = rng.uniform(-radius, radius, 2) if x < thick else (0.0, 0.0)
            canvas.place(_turned(bank[int(rng.integers(_BANK))], rng), (y + dy, x + dx), "RBC", over=False)
        if rng.random() < 0.04:
            at = (y + 1.5 * radius, x + 1.5 * radius)
            canvas.place(_turned(platelets[int(rng.integers(4))], rng), at, "Platelets", over=False)


def _jittered(height: int, width: int, radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres (N, 2) of y, x: a grid with room for a red cell in each square, jittered; three in ten are missing."""
    step = 2.5 * radius
    rows, columns = math.ceil(height / step) + 1, math.ceil(width / step) + 1
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2) * step
    jittered = grid + rng.uniform(-0.22, 0.22, grid.shape) * step
    kept: NDArray[np.float64] = jittered[rng.random(len(grid)) < 0.7]
    return kept


def _turned(cell: DrawnCell, rng: np.random.Generator) -> DrawnCell:
    quarter, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turn(values: NDArray[np.generic]) -> Any:
        turned = np.rot90(values, quarter)
        return turned[:, ::-1] if mirrored else turned

    return DrawnCell(turn(cell.density), turn(cell.cover), turn(cell.cell), turn(cell.nucleus))
