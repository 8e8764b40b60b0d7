"""The subjects of a synthetic set, their cells by name, and how a picture becomes bytes."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from lymphoscope.files import written_beside
from lymphoscope.synthetic.images import CellPicture, cell_picture
from lymphoscope.synthetic.settings import BLAST, NORMAL, Kind, SynthesisSettings, generator
from lymphoscope.synthetic.stains import Subject, draw_subject

CELLS_PER_IMAGE = 4
"""Cells that share the second number of a name, as if cut from one field."""


@dataclass(frozen=True)
class PlannedCell:
    """The cell `number` of a subject; the numbers are the key of its generator."""

    subject: Subject
    subject_number: int
    number: int

    @property
    def name(self) -> str:
        """File name under the cell's true class."""
        return cell_name(self.subject, self.number, self.subject.label)


def draw_subjects(settings: SynthesisSettings) -> list[Subject]:
    """Blast subjects P01, P02, ... and normal ones H01, H02, ..., in turn: half of each, or one more of the former."""
    subjects = []
    for number in range(settings.subjects):
        letter, label = ("P", BLAST) if number % 2 == 0 else ("H", NORMAL)
        name = f"{letter}{number // 2 + 1:02d}"
        subjects.append(draw_subject(name, label, generator(settings.seed, Kind.SUBJECT, number)))
    return subjects


def draw_planned(cell: PlannedCell, settings: SynthesisSettings) -> CellPicture:
    """Draw a planned cell, of its subject's class, from its own generator."""
    rng = generator(settings.seed, Kind.CELL, cell.subject_number, cell.number)
    return cell_picture(cell.subject, cell.subject.label, settings, rng)


def cell_name(subject: Subject, number: int, label: str) -> str:
    """`SYN_<subject>_<image>_<cell>_<class>.png`, the way C-NMC names its cells."""
    image, cell = divmod(number, CELLS_PER_IMAGE)
    return f"SYN_{subject.name}_{image + 1}_{cell + 1}_{label}.png"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with written_beside(path) as beside:
        beside.write_bytes(content)


def encoded(pixels: NDArray[Any]) -> bytes:
    """Pixels as a PNG: quickly, the smallest file is not worth the wait."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=3)
    return stream.getvalue()
