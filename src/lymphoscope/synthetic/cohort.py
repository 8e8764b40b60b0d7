"""The subjects of a synthetic set, the names of their cells, and the encoding of images."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from lymphoscope.files import written_beside
from lymphoscope.synthetic.images import CellImage, draw_cell_image
from lymphoscope.synthetic.settings import BLAST, NORMAL, Drawn, SynthesisSettings, random_generator
from lymphoscope.synthetic.subjects import Subject, draw_subject

CELLS_PER_IMAGE = 4
"""Cells that share the image number in their names, as if cropped from one field."""


@dataclass(frozen=True)
class PlannedCell:
    """Cell `number` of a subject; the two numbers are the key of its generator."""

    subject: Subject
    subject_number: int
    number: int

    @property
    def name(self) -> str:
        """File name under the cell's true class."""
        return cell_name(self.subject, self.number, self.subject.label)


def draw_subjects(settings: SynthesisSettings) -> list[Subject]:
    """Draw blast subjects P01, P02, ... and normal ones H01, H02, ..., alternately; an odd one is a blast subject."""
    subjects = []
    for number in range(settings.subjects):
        letter, label = ("P", BLAST) if number % 2 == 0 else ("H", NORMAL)
        name = f"{letter}{number // 2 + 1:02d}"
        subjects.append(draw_subject(name, label, random_generator(settings.seed, Drawn.SUBJECT, number)))
    return subjects


def draw_planned_cell(cell: PlannedCell, settings: SynthesisSettings) -> CellImage:
    """Draw a planned cell, of its subject's class, from its own generator."""
    rng = random_generator(settings.seed, Drawn.CELL, cell.subject_number, cell.number)
    return draw_cell_image(cell.subject, cell.subject.label, settings, rng)


def cell_name(subject: Subject, number: int, label: str) -> str:
    """Return `SYN_<subject>_<image>_<cell>_<class>.png`, like the names of C-NMC."""
    image, cell = divmod(number, CELLS_PER_IMAGE)
    return f"SYN_{subject.name}_{image + 1}_{cell + 1}_{label}.png"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with written_beside(path) as beside:
        beside.write_bytes(content)


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Encode pixels as PNG, at a fast compression level."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=3)
    return stream.getvalue()
