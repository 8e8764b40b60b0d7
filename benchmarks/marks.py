"""The marks of found cells on drawn fields, whose truth is known: `python benchmarks/marks.py`.

Printed is, for each mark, how many objects of its kind were drawn, how many of them were found as a cell, how many of
the found ones have the mark, and how many of the cells with the mark are of that kind. `--picture FILE` draws the first
field.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from timing import write

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.smear import Detections, load_detector
from lymphoscope.synthetic import SmearField, SmearSettings, TrueCell, draw_smear_field

KINDS = ("cut_by_edge", "touching", "smudge", "platelet_clump", "stain_deposit")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fields", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--detector", default=None)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    shared = {"white_cells": 6, "touching_pairs": 2, "cut_cells": 1}
    shared |= {"smudges": 2, "platelet_clumps": 2, "stain_deposits": 2}
    detector = load_detector(options.detector)
    counts: Counter[tuple[str, str]] = Counter()
    begun = time.process_time()
    for number in range(options.fields):
        settings = SmearSettings(**shared, seed=options.seed + number)  # every field has a stain of its own
        field = draw_smear_field(settings)
        found = detector.detect(field.pixels, settings.microns_per_pixel)
        counts.update(count(field, found))
        if number == 0 and options.picture is not None:
            draw(field, found).save(options.picture)
    show(counts)
    print(
        f"{options.fields} fields, detector {detector.name}, {time.process_time() - begun:.0f} seconds of the processor"
    )
    write(options.json, {" ".join(key): number for key, number in counts.items()})


def kinds_of(cell: TrueCell) -> set[str]:
    """The marks that a drawn object should have."""
    kinds = {"touching": cell.touching, "cut_by_edge": cell.cut_by_edge, cell.class_name: cell.class_name in KINDS}
    return {name for name, holds in kinds.items() if holds}


def count(field: SmearField, found: Detections) -> Counter[tuple[str, str]]:
    """Pair each found cell with the drawn object whose box holds its centre, the nearest one, and compare marks."""
    drawn = [*field.cells, *field.artefacts]
    counts: Counter[tuple[str, str]] = Counter((kind, "drawn") for cell in drawn for kind in kinds_of(cell))
    counts["white cell", "drawn"] += len(field.cells)
    seen: set[int] = set()
    for box, marks in zip(found.boxes.tolist(), found.marks, strict=True):
        place = holder(drawn, box)
        kinds = set() if place is None else kinds_of(drawn[place])
        for kind in marks & set(KINDS):
            counts[kind, "marked"] += 1
            counts[kind, "marked rightly"] += kind in kinds
        counts["doublet", "marked"] += "doublet" in marks
        if place is None or place in seen:
            counts["none", "found"] += 1
            continue
        seen.add(place)
        counts["white cell", "found"] += place < len(field.cells)
        for kind in kinds:
            counts[kind, "found"] += 1
    return counts


def holder(drawn: list[TrueCell], box: list[float]) -> int | None:
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    holding = [
        place
        for place, cell in enumerate(drawn)
        if cell.x <= x <= cell.x + cell.width and cell.y <= y <= cell.y + cell.height
    ]
    return min(holding, key=lambda place: np.hypot(*np.subtract(drawn[place].centre, (x, y))), default=None)


def show(counts: Counter[tuple[str, str]]) -> None:
    print("| mark | drawn | found as a cell | of these, marked | marked in all | of these, rightly |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        drawn, found, marked, right = (counts[kind, what] for what in ("drawn", "found", "marked", "marked rightly"))
        print(f"| {kind} | {drawn} | {found} | {share(min(right, found), found)} | {marked} | {share(right, marked)} |")
    print(f"| (white cell) | {counts['white cell', 'drawn']} | {counts['white cell', 'found']} | | | |")
    print(
        f"found where nothing of these is, or twice: {counts['none', 'found']}; doublets: {counts['doublet', 'marked']}"
    )


def share(number: int, of: int) -> str:
    if not of:
        return "none"
    low, high = exact_interval(number, of)
    return f"{number / of:.2f} ({low:.2f} to {high:.2f})"


def draw(field: SmearField, found: Detections) -> Image.Image:
    """Drawn objects in green, found cells in red with their marks."""
    picture = Image.fromarray(field.pixels)
    pen = ImageDraw.Draw(picture)
    for cell in [*field.cells, *field.artefacts]:
        pen.rectangle([cell.x, cell.y, cell.x + cell.width, cell.y + cell.height], outline=(0, 160, 0))
    for (x, y, width, height), marks, score in zip(found.boxes.tolist(), found.marks, found.scores, strict=True):
        pen.rectangle([x, y, x + width, y + height], outline=(220, 0, 0), width=2)
        pen.text((x + 2, y + 2), f"{score:.2f} {' '.join(sorted(marks))}", fill=(0, 0, 0))
    return picture


if __name__ == "__main__":
    main()
