"""Synthetic fields in a folder: pictures, numbered masks, and `boxes.csv`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from lymphoscope.files import written_beside
from lymphoscope.synthetic.cohort import encoded, write_bytes
from lymphoscope.synthetic.images import FIELD_SIZE, field_picture
from lymphoscope.synthetic.settings import Kind, SynthesisSettings, generator
from lymphoscope.synthetic.stains import Subject

BOX_COLUMNS = ("image", "source", "class", "xmin", "ymin", "xmax", "ymax", "width", "height")
"""`image` is relative to `images`; the box is in pixels, half open; `width` and `height` are the field's."""


def write_fields(folder: Path, people: list[Subject], settings: SynthesisSettings, workers: int) -> None:
    """Write `images`, `masks` and `boxes.csv` below `folder`: one field a subject in turn; nothing for no fields."""
    if not settings.fields:
        return
    with ThreadPoolExecutor(workers) as pool:
        written = pool.map(lambda number: _write_field(folder, number, people, settings), range(settings.fields))
        rows = [row for field in written for row in field]
    with written_beside(folder / "boxes.csv") as beside:
        pd.DataFrame(rows, columns=list(BOX_COLUMNS)).to_csv(beside, index=False)


def _write_field(folder: Path, number: int, people: list[Subject], settings: SynthesisSettings) -> list[dict[str, Any]]:
    round_, place = divmod(number, len(people))
    subject = people[place]
    field = field_picture(subject, settings, generator(settings.seed, Kind.FIELD, place, round_))
    name = f"SYN_{subject.name}_{round_ + 1}.png"
    write_bytes(folder / "images" / name, encoded(field.pixels))
    write_bytes(folder / "masks" / name, encoded(field.numbers))
    height, width = FIELD_SIZE
    return [
        dict(zip(BOX_COLUMNS, (name, "SYNTHETIC", thing.kind, *thing.box, width, height), strict=True))
        for thing in field.things
    ]
