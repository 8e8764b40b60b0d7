"""How well the detectors find white cells, by source, with intervals over fields.

DATA is a folder with boxes.csv and its images. A detector that learned from a source is evaluated on the others only:
give one detector per left-out source as NAME=SOURCE:FILE (a verifier file of the classical detector, or the folder of a
trained one). Without --left-out the detectors that ship are evaluated, which saw part of the images.

    python benchmarks/detection.py DATA [--left-out NAME=SOURCE:FILE]... [--per-source N] [--trained-on N]
        [--detector FILE]... [--scale-error FACTOR] [--relative SHARE] [--json FILE] [--pictures DIR] [--worst N]

--trained-on N leaves out the fields that `smear train --per-source N` takes, so that a detector that learned from every
source is evaluated on fields that it never saw, of the same laboratories. --detector FILE is evaluated instead of those
that ship.

--scale-error FACTOR tells the detectors so many times the microns per pixel: with 0.5 cells look half as large to them.

--relative SHARE drops the found cells whose score is below this share of the best score of their field.

The last column is the precision without the found cells that are marked as cut by the edge, because `smear` does not
count them; cells at the edge often have no box.

--pictures draws the worst fields of each source (ten, or --worst N) for a person to look at: boxes in green, found
cells in blue, and those without a box of their own in red.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from field_data import Field, intersection_over_union, load_fields
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from timing import write

from lymphoscope.data.images import read_image
from lymphoscope.smear import Detections, Detector, load_detector
from lymphoscope.smear.detection import detector_names
from lymphoscope.smear.detection.classical_detector import ClassicalDetector
from lymphoscope.smear.detection.verifier import load_verifier

REPLICATES = 1000
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Counts:
    """Of one field: boxes, cells found, cells with their centre in a box of their own, and those with overlap 0.5.

    `whole` of the found cells are not marked as cut by the edge, and `whole_centre` of these are in a box of their own.
    """

    field: Field
    boxes: int
    found: int
    centre: int
    overlap: int
    whole: int
    whole_centre: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--left-out", action="append", default=[], metavar="NAME=SOURCE:FILE")
    parser.add_argument("--per-source", type=int)
    parser.add_argument("--trained-on", type=int)
    parser.add_argument("--detector", action="append", default=[])
    parser.add_argument("--scale-error", type=float, default=1.0)
    parser.add_argument("--relative", type=float, default=0.0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--worst", type=int, default=10)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    fields = [
        replace(field, microns_per_pixel=field.microns_per_pixel * options.scale_error)
        for field in load_fields(options.data, options.per_source, options.cache, options.trained_on)
    ]
    answers: dict[str, Any] = {}
    for name, detectors in _detectors(options.left_out, options.detector).items():
        counts = [
            count(detectors[field.group], field, options.relative) for field in fields if field.group in detectors
        ]
        rows = summarise(counts)
        answers[name] = {"sources": rows, "worst": worst(counts, options.worst)}
        print_table(name, rows, answers[name]["worst"])
        if options.pictures is not None:
            draw_worst(options.pictures / name, counts, options.worst, detectors, options.relative)
    unknown = {
        source: sum(not f.estimated for f in fields if f.source == source) for source in {f.source for f in fields}
    }
    print("fields whose red cells tell no scale:", unknown)
    write(options.json, {"detectors": answers, "no_scale": unknown})


def _detectors(left_out: Iterable[str], chosen_names: Iterable[str]) -> dict[str, Mapping[str, Detector]]:
    chosen: dict[str, dict[str, Detector]] = {}
    for item in left_out:
        name, _, rest = item.partition("=")
        source, _, file = rest.partition(":")
        path = Path(file)
        detector = load_detector(file) if path.is_dir() else ClassicalDetector(load_verifier(path))
        chosen.setdefault(name, {})[source] = detector
    if chosen:
        return dict(chosen)
    return {name: _Everywhere(load_detector(name)) for name in tuple(chosen_names) or detector_names()}


class _Everywhere(dict[str, Detector]):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self._detector = detector

    def __missing__(self, key: str) -> Detector:
        return self._detector

    def __contains__(self, key: object) -> bool:
        return True


def count(detector: Detector, field: Field, relative: float = 0.0) -> Counts:
    image = read_image(field.path)
    begun = time.perf_counter()
    found = detector.detect(image, field.microns_per_pixel)
    seconds = time.perf_counter() - begun
    found = without_low_scores(found, relative)
    centre, overlap = in_boxes(found, field)
    is_whole = np.array(["cut_by_edge" not in marks for marks in found.marks], np.bool_)
    return Counts(
        field,
        len(field.boxes),
        len(found),
        int(centre.sum()),
        int(overlap.sum()),
        int(is_whole.sum()),
        int((centre & is_whole).sum()),
        seconds,
    )


def without_low_scores(found: Detections, relative: float) -> Detections:
    """Keep the cells whose score is at least the share `relative` of the best one."""
    return found.select(np.flatnonzero(found.scores >= relative * found.scores.max(initial=0)))


def in_boxes(found: Detections, field: Field) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which found cells (N,) have their centre in a box of their own, and which cover one by IoU 0.5."""
    boxes = np.concatenate([found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], axis=1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres[:, None] >= field.boxes[:, :2]) & (centres[:, None] <= field.boxes[:, 2:])).all(axis=2)
    overlap = intersection_over_union(boxes, field.boxes)
    return matched(np.where(inside, overlap + 1, 0), found.scores, 1.0), matched(overlap, found.scores, 0.5)


def matched(fit: Floats, scores: Floats, least: float) -> NDArray[np.bool_]:
    """Pair each found cell, the best first, with the free box that fits it best; returns which cells have a box."""
    free = np.ones(fit.shape[1] if fit.ndim == 2 else 0, np.bool_)
    paired = np.zeros(len(fit), np.bool_)
    for index in np.argsort(-scores, kind="stable"):
        values = np.where(free, fit[index], -1)
        if len(values) and values.max() >= least:
            free[int(values.argmax())] = False
            paired[index] = True
    return paired


def summarise(counts: list[Counts]) -> dict[str, dict[str, Any]]:
    rows = {}
    for source in dict.fromkeys(one.field.source for one in counts):
        own = [one for one in counts if one.field.source == source]
        columns = ("boxes", "found", "centre", "overlap", "whole", "whole_centre")
        table = np.array([[getattr(one, name) for name in columns] for one in own], float)
        rng = np.random.default_rng(0)
        resampled = table[rng.integers(len(table), size=(REPLICATES, len(table)))].sum(axis=1)
        rows[source] = {
            "fields": len(own),
            "boxes": int(table[:, 0].sum()),
            "found": int(table[:, 1].sum()),
            "seconds": round(float(np.median([one.seconds for one in own])), 3),
            **{name: estimate(ratio, table, resampled) for name, ratio in RATIOS.items()},
        }
    return rows


def estimate(ratio: Callable[[Any], Any], table: NDArray[Any], resampled: NDArray[Any]) -> list[float]:
    """The ratio over all fields, and its 2.5th and 97.5th percentile over resampled fields."""
    values = [ratio(table.sum(axis=0)), *np.percentile(ratio(resampled), [2.5, 97.5])]
    return [round(float(value), 3) for value in values]


RATIOS = {
    "recall": lambda sums: sums[..., 2] / np.maximum(sums[..., 0], 1),
    "precision": lambda sums: sums[..., 2] / np.maximum(sums[..., 1], 1),
    "recall_iou": lambda sums: sums[..., 3] / np.maximum(sums[..., 0], 1),
    "precision_iou": lambda sums: sums[..., 3] / np.maximum(sums[..., 1], 1),
    "precision_whole": lambda sums: sums[..., 5] / np.maximum(sums[..., 4], 1),
}


def worst_of_each(counts: list[Counts], number: int) -> list[Counts]:
    """The fields of each source with the most cells missed or found in vain."""
    ordered = sorted(counts, key=lambda one: 2 * one.centre - one.boxes - one.found)
    sources = dict.fromkeys(one.field.source for one in counts)
    return [one for source in sources for one in [each for each in ordered if each.field.source == source][:number]]


def draw_worst(
    folder: Path, counts: list[Counts], number: int, detectors: Mapping[str, Detector], relative: float
) -> None:
    """Write the worst fields: boxes in green, found cells with their scores in blue, in red those without a box."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank, one in enumerate(worst_of_each(counts, number)):
        image = read_image(one.field.path)
        found = without_low_scores(detectors[one.field.group].detect(image, one.field.microns_per_pixel), relative)
        picture = Image.fromarray(image)
        draw = ImageDraw.Draw(picture)
        for box in one.field.boxes.tolist():
            draw.rectangle(box, outline=(0, 220, 0), width=3)
        is_right = in_boxes(found, one.field)[0].tolist()
        for (x, y, width, height), score, right in zip(
            found.boxes.tolist(), found.scores.tolist(), is_right, strict=True
        ):
            draw.rectangle(
                [x, y, x + width, y + height],
                outline=(0, 0, 220) if right else (220, 0, 0),
            )
            draw.text((x + 2, y), f"{score:.2f}", fill=(0, 0, 0))
        picture.save(folder / f"{one.field.source}-{rank % number:02d}-{one.field.path.stem[:24]}.png")


def worst(counts: list[Counts], number: int) -> list[dict[str, Any]]:
    return [
        {
            "field": one.field.path.name,
            "source": one.field.source,
            "boxes": one.boxes,
            "found": one.found,
            "right": one.centre,
        }
        for one in worst_of_each(counts, number)
    ]


def print_table(name: str, rows: Mapping[str, Mapping[str, Any]], bad: list[dict[str, Any]]) -> None:
    print(f"\n**{name}**\n")
    print(
        "| source | fields | boxes | recall | precision | recall, IoU 0.5 | precision, IoU 0.5 | "
        "precision, whole cells | s per field |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for source, row in rows.items():
        cells = ["{:.3f} ({:.3f} to {:.3f})".format(*row[key]) for key in RATIOS]
        print(f"| {source} | {row['fields']} | {row['boxes']} | {' | '.join(cells)} | {row['seconds']:.2f} |")
    print("\nworst fields (boxes, found, right):")
    for one in bad:
        print(f"  {one['field']}: {one['boxes']}, {one['found']}, {one['right']}")


if __name__ == "__main__":
    main()
