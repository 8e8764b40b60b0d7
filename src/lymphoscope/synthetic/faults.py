"""Planted faults, as real collections have them: each adds a file, none changes a good one, all are written down."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from lymphoscope.synthetic.cohort import PlannedCell, cell_name, draw_planned, encoded, write_bytes
from lymphoscope.synthetic.images import Pixels
from lymphoscope.synthetic.settings import BLAST, NORMAL, Kind, SynthesisSettings, generator
from lymphoscope.synthetic.stains import Subject

FaultKind = Literal[
    "duplicate_of_other_subject", "duplicate_of_other_label", "near_duplicate", "truncated", "mislabelled", "wrong_size"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

_FEW: dict[FaultKind, int] = {"duplicate_of_other_subject": 2, "near_duplicate": 2, "truncated": 2, "mislabelled": 2}
ENOUGH_SUBJECTS = 8
"""Fewer subjects get one fault of each kind, and none that ties a blast subject to a normal one."""


@dataclass(frozen=True)
class Fault:
    """One planted fault: its file, the file it copies (if it does), the label it says and the class that was drawn."""

    kind: FaultKind
    path: str
    copy_of: str | None
    label: str
    true_label: str
    cell: PlannedCell

    def to_json(self) -> dict[str, str | None]:
        """As `synthetic.json` lists it."""
        return {
            "kind": self.kind,
            "path": self.path,
            "copy_of": self.copy_of,
            "subject": self.cell.subject.name,
            "label": self.label,
            "true_label": self.true_label,
        }


def plan_faults(subjects: list[Subject], settings: SynthesisSettings) -> list[Fault]:
    """Which faults there will be, from the seed alone; paths are relative to the set's folder."""
    if not settings.faults:
        return []
    many = len(subjects) >= ENOUGH_SUBJECTS
    kinds = [kind for kind in FAULT_KINDS for _ in range(_FEW.get(kind, 1) if many else 1)]
    if not many:
        kinds.remove("duplicate_of_other_label")
    rng = generator(settings.seed, Kind.FAULT)
    # Spread over the subjects, so that no one's cells are spoiled more than another's.
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
    wanted = _other(owner.label) if kind == "duplicate_of_other_label" else owner.label
    others = [subject for subject in subjects if subject.label == wanted and subject is not owner] or [owner]
    model = others[int(rng.integers(len(others)))]
    copied = int(rng.integers(settings.cells_per_subject))
    copies = "duplicate" in kind
    return Fault(
        kind=kind,
        path=f"images/{label}/{cell_name(owner, cell.number, label)}",
        copy_of=f"images/{model.label}/{cell_name(model, copied, model.label)}" if copies else None,
        label=label,
        true_label=model.label if copies else owner.label,
        cell=cell,
    )


def _other(label: str) -> str:
    return NORMAL if label == BLAST else BLAST


def write_fault(folder: Path, fault: Fault, settings: SynthesisSettings) -> None:
    """Write one faulty file; the file that it copies must be there."""
    if fault.copy_of is not None:
        source = (folder / fault.copy_of).read_bytes()
        content = _reencoded(source) if fault.kind == "near_duplicate" else source
    else:
        content = _SPOILED[fault.kind](draw_planned(fault.cell, settings).pixels)
    write_bytes(folder / fault.path, content)


def _truncated(pixels: Pixels) -> bytes:
    whole = encoded(pixels)
    return whole[: len(whole) * 6 // 10]


def _smaller(pixels: Pixels) -> bytes:
    side = len(pixels) * 2 // 3
    return encoded(np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)))


_SPOILED: dict[FaultKind, Callable[[Pixels], bytes]] = {
    "truncated": _truncated,
    "mislabelled": encoded,
    "wrong_size": _smaller,
}


def _reencoded(content: bytes) -> bytes:
    """The same cell moved by two pixels of 450, a little brighter, through JPEG and back."""
    pixels = np.array(Image.open(io.BytesIO(content)))
    step = round(len(pixels) * 2 / 450)
    pixels = np.roll(pixels, (step, -step), axis=(0, 1))
    brighter = np.clip(pixels * 1.02, 0, 255).astype(np.uint8)
    lossy = io.BytesIO()
    Image.fromarray(brighter).save(lossy, "JPEG", quality=90)
    return encoded(np.array(Image.open(lossy)))
