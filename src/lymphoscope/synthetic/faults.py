"""Planted faults like those of real collections: each adds a file, none changes a good one, all are recorded."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from lymphoscope.synthetic.cohort import PlannedCell, cell_name, draw_planned_cell, encode_png, write_bytes
from lymphoscope.synthetic.images import Pixels
from lymphoscope.synthetic.settings import BLAST, NORMAL, Drawn, SynthesisSettings, random_generator
from lymphoscope.synthetic.subjects import Subject

FaultKind = Literal[
    "duplicate_of_other_subject", "duplicate_of_other_label", "near_duplicate", "truncated", "mislabelled", "wrong_size"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

_COUNTS: dict[FaultKind, int] = {"duplicate_of_other_subject": 2, "near_duplicate": 2, "truncated": 2, "mislabelled": 2}
MIN_SUBJECTS = 8
"""Fewer subjects get one fault of each kind, and none that links a blast subject to a normal one."""


@dataclass(frozen=True)
class Fault:
    """One planted fault: its file, the file it copies (if any), its label and the class that was drawn."""

    kind: FaultKind
    path: str
    copy_of: str | None
    label: str
    true_label: str
    cell: PlannedCell

    def to_json(self) -> dict[str, str | None]:
        """Return the fault as `synthetic.json` lists it."""
        return {
            "kind": self.kind,
            "path": self.path,
            "copy_of": self.copy_of,
            "subject": self.cell.subject.name,
            "label": self.label,
            "true_label": self.true_label,
        }


def plan_faults(subjects: list[Subject], settings: SynthesisSettings) -> list[Fault]:
    """Plan the faults, from the seed alone; paths are relative to the set's folder."""
    if not settings.faults:
        return []
    many = len(subjects) >= MIN_SUBJECTS
    kinds = [kind for kind in FAULT_KINDS for _ in range(_COUNTS.get(kind, 1) if many else 1)]
    if not many:
        kinds.remove("duplicate_of_other_label")
    rng = random_generator(settings.seed, Drawn.FAULT)
    # Spread over the subjects.
    owners = rng.permutation(len(subjects)).tolist()
    return [
        _plan(kind, PlannedCell(subjects[owner], owner, settings.cells_per_subject + number), subjects, settings, rng)
        for number, (kind, owner) in enumerate(zip(kinds, owners * len(kinds), strict=False))
    ]


def _plan(
    kind: FaultKind, cell: PlannedCell, subjects: list[Subject], settings: SynthesisSettings, rng: np.random.Generator
) -> Fault:
    owner = cell.subject
    label = owner.label if kind != "mislabelled" else _other(owner.label)
    copied_label = _other(owner.label) if kind == "duplicate_of_other_label" else owner.label
    others = [subject for subject in subjects if subject.label == copied_label and subject is not owner] or [owner]
    copied_subject = others[int(rng.integers(len(others)))]
    copied_number = int(rng.integers(settings.cells_per_subject))
    copies = "duplicate" in kind
    return Fault(
        kind=kind,
        path=f"images/{label}/{cell_name(owner, cell.number, label)}",
        copy_of=f"images/{copied_subject.label}/{cell_name(copied_subject, copied_number, copied_subject.label)}"
        if copies
        else None,
        label=label,
        true_label=copied_subject.label if copies else owner.label,
        cell=cell,
    )


def _other(label: str) -> str:
    return NORMAL if label == BLAST else BLAST


def write_fault(folder: Path, fault: Fault, settings: SynthesisSettings) -> None:
    """Write one faulty file; the file that it copies must exist."""
    if fault.copy_of is not None:
        source = (folder / fault.copy_of).read_bytes()
        content = _reencoded(source) if fault.kind == "near_duplicate" else source
    else:
        content = _ENCODERS[fault.kind](draw_planned_cell(fault.cell, settings).pixels)
    write_bytes(folder / fault.path, content)


def _truncated(pixels: Pixels) -> bytes:
    content = encode_png(pixels)
    return content[: len(content) * 6 // 10]


def _smaller(pixels: Pixels) -> bytes:
    side = len(pixels) * 2 // 3
    return encode_png(np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)))


_ENCODERS: dict[FaultKind, Callable[[Pixels], bytes]] = {
    "truncated": _truncated,
    "mislabelled": encode_png,
    "wrong_size": _smaller,
}


def _reencoded(content: bytes) -> bytes:
    """The same cell shifted by two pixels of 450, slightly brighter, through JPEG and back."""
    pixels = np.array(Image.open(io.BytesIO(content)))
    step = round(len(pixels) * 2 / 450)
    pixels = np.roll(pixels, (step, -step), axis=(0, 1))
    brighter = np.clip(pixels * 1.02, 0, 255).astype(np.uint8)
    lossy = io.BytesIO()
    Image.fromarray(brighter).save(lossy, "JPEG", quality=90)
    return encode_png(np.array(Image.open(lossy)))
