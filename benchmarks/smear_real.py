"""Smears of real fields, end to end: `python benchmarks/smear_real.py DATA --model blast`.

DATA has `fields/` (boxes.csv, images/) and `all_fields/` (one folder per class). Printed are, as JSON lines:

- for each source with boxes: how many boxed white cells were found, and how many other cells; the differential, and
  the table of the boxes' own classes against what the cells were counted as;
- for `all_fields`: the share of images with white cells found, the share of cells found in `early`, `pre`, `pro` that
  are called blast or referred, and the share of `benign` that is referred, with exact intervals. Cells of one image
  resemble each other, so these intervals are too narrow.
"""

import argparse
import csv
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.inference import Model, load
from lymphoscope.smear import FieldInput, RunOptions, SmearResult, cell_class, load_detector, run_smear

_OUTSIDE = "no boxed white cell"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="blast")
    parser.add_argument("--detector", default=None)
    parser.add_argument("--sources", nargs="*", default=["Chula-WBC", "BCCD"])
    parser.add_argument("--every", type=int, default=1, help="take every so many of the fields of a source")
    parser.add_argument("--every-image", type=int, default=1, help="take every so many of the images of all_fields")
    options = parser.parse_args()
    model = load(options.model, threads=2)
    for source in options.sources:
        print(json.dumps(_source(model, options, source)), flush=True)
    print(json.dumps(_all_fields(model, options)), flush=True)


def _run(model: Model, detector: str | None, inputs: list[FieldInput], out: str) -> SmearResult:
    return run_smear(model, load_detector(detector), inputs, Path(out) / "results", RunOptions(workers=2))


def _cells(result: SmearResult) -> pd.DataFrame:
    return pd.read_parquet(result.out / result.record.cells_table)


def _source(model: Model, options: argparse.Namespace, source: str) -> dict[str, Any]:
    folder, start = options.data / "fields/images", time.perf_counter()
    with (options.data / "fields/boxes.csv").open() as stream:
        boxes = [row for row in csv.DictReader(stream) if row["source"] == source]
    images = sorted({row["image"] for row in boxes})[:: options.every]
    inputs = [FieldInput(folder / image, slide=source) for image in images]
    with tempfile.TemporaryDirectory() as out:
        result = _run(model, options.detector, inputs, out)
        cells = _cells(result)
    field_of = {Path(one.path): one.field for one in result.record.fields}
    white = [row for row in boxes if row["image"] in set(images) and row["class"].startswith("WBC")]
    confusion: Counter[tuple[str, str]] = Counter()
    used: set[str] = set()
    for row in white:
        inside = _inside(cells[cells["field"] == field_of[folder / row["image"]]], row)
        used |= set(inside["cell_id"])
        confusion[row["class"], "not found" if inside.empty else str(inside.iloc[0]["counted_as"])] += 1
    for name in cells.loc[~cells["cell_id"].isin(used), "counted_as"]:
        confusion[_OUTSIDE, str(name)] += 1
    overall = result.differential.overall
    found = sum(number for (box, counted), number in confusion.items() if box != _OUTSIDE and counted != "not found")
    return {
        "source": source,
        "model": result.record.model.name,
        "detector": result.record.detector,
        "fields": len(images),
        "set_aside": sum(tile.set_aside for tile in result.record.tiles),
        "microns_per_pixel": sorted({one.microns_per_pixel for one in result.record.fields if one.microns_per_pixel}),
        "boxed": len(white),
        "found": found,
        "found again in the same box": len(used) - found,
        "besides": sum(number for (box, _), number in confusion.items() if box == _OUTSIDE),
        "white_cells": overall.white_cells,
        "unidentified": overall.unidentified,
        "differential": {
            row.title: [row.number, row.as_predicted and round(row.as_predicted, 1)] for row in overall.classes
        },
        "table": {f"{box} -> {counted}": number for (box, counted), number in sorted(confusion.items())},
        "seconds": round(time.perf_counter() - start, 1),
        "seconds_by_stage": {stage: round(spent, 1) for stage, spent in result.seconds.items()},
    }


def _inside(cells: pd.DataFrame, box: dict[str, str]) -> pd.DataFrame:
    """The cells whose centre lies in a box."""
    x, y = cells["x"] + cells["width"] / 2, cells["y"] + cells["height"] / 2
    left, top, right, bottom = (float(box[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
    return cells[(x >= left) & (x <= right) & (y >= top) & (y <= bottom)]


def _all_fields(model: Model, options: argparse.Namespace) -> dict[str, Any]:
    classes = ("benign", "early", "pre", "pro")
    inputs = [
        FieldInput(path, slide=name)
        for name in classes
        for path in sorted((options.data / "all_fields" / name).iterdir())[:: options.every_image]
    ]
    with tempfile.TemporaryDirectory() as out:
        result = _run(model, options.detector, inputs, out)
        cells = _cells(result)
    cells = cells[cells["counted_as"] != "not_classed"]
    stages = cells["slide"].isin(["early", "pre", "pro"])
    caught = cells["refer"].astype(bool) | cells["predicted"].map(lambda name: cell_class(str(name)).is_blast)
    with_cells = {one.field for one in result.record.fields if one.cells}
    answer: dict[str, Any] = {
        "source": "all_fields",
        "model": result.record.model.name,
        "detector": result.record.detector,
        "images": len(inputs),
        "images_with_cells": _share(len(with_cells), len(inputs)),
        "set_aside": sum(tile.set_aside for tile in result.record.tiles),
        "cells": len(cells),
        "early, pre, pro: blast or referred": _share(int(caught[stages].sum()), int(stages.sum())),
        "benign: referred": _share(
            int(cells.loc[cells["slide"] == "benign", "refer"].sum()), int((cells["slide"] == "benign").sum())
        ),
    }
    for name in classes:
        own = cells[cells["slide"] == name]
        answer[name] = {
            "images": sum(one.slide == name for one in result.record.fields),
            "cells": len(own),
            "referred": int(own["refer"].sum()),
            "predicted": dict(Counter(own["predicted"])),
            "not referred": dict(Counter(own.loc[~own["refer"].astype(bool), "predicted"])),
        }
    return answer


def _share(number: int, of: int) -> str:
    if not of:
        return "none"
    low, high = exact_interval(number, of)
    return f"{number} of {of} = {number / of:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
