"""A lower precision against float32, cell by cell: `python benchmarks/lower_precision.py --data NAME=SRC --masks DIR`.

Prints for each group of cells how many labels and decisions to refer are equal, and the share that is referred in each
precision, in all and for each reason. `--masks` has `cells.csv` (Tecom, CellaVision), whose cells are cut out on black
at the scale of the model. Familiar cells should be referred as often as in float32, and unfamiliar ones as well.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from other_laboratories import MICRONS_PER_PIXEL
from PIL import Image
from timing import write

from lymphoscope import load
from lymphoscope.data import read_image, read_source

Pixels = NDArray[np.uint8]


def main() -> None:
    options = _options()
    models = {
        precision: load(options.model, runtime=options.runtime, precision=precision, threads=options.threads)
        for precision in ("float32", options.precision)
    }
    groups: dict[str, list[str] | list[Pixels]] = {}
    for given in options.data:
        name, _, source = given.partition("=")
        groups[name] = _evenly_spaced(read_source(source).table["path"].tolist(), options.cells)
    if options.masks:
        how = models["float32"].description.preprocessing
        groups["masks"] = list(
            cells_on_black(options.masks, how.crop, float(how.microns_per_pixel or 0), options.cells)
        )
    rows = {}
    for name, cells in groups.items():
        exact, other = (model.predict(cells) for model in models.values())
        rows[name] = _compared(exact, other)
    print(f"{options.model}: {options.precision} of {options.runtime} against float32")
    for name, row in rows.items():
        equal = f"equal labels {row['labels']:.2%}, equal decisions {row['decisions']:.2%}"
        print(f"{name:<12}{row['cells']:>5} cells, {equal}")
        for reason, (before, after) in row["referred"].items():
            print(f"  {reason:<30}{before:>8.2%} ->{after:>8.2%}")
    write(options.json, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=[], metavar="NAME=SRC", help="groups of cells")
    parser.add_argument("--masks", type=Path, help="folder of outlined cells, with cells.csv")
    parser.add_argument("--model", default="blast", help="model folder, or the name of a model that ships")
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--cells", type=int, default=400, help="most cells of a group, evenly spaced")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    return parser.parse_args()


def cells_on_black(folder: Path, side: int, microns_per_pixel: float, most: int) -> Iterator[Pixels]:
    """Outlined cells in the middle of black squares of `side` pixels."""
    for row in _evenly_spaced(list(pd.read_csv(folder / "cells.csv").itertuples()), most):
        inside = read_image(folder / str(row.mask))[:, :, 0] > 60
        rows, columns = np.nonzero(inside)
        x, y = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
        reach = side * microns_per_pixel / MICRONS_PER_PIXEL[str(row.source)] / 2
        pad = int(2 * reach)
        cell = np.pad(
            np.where(inside[:, :, None], read_image(folder / str(row.path)), 0), ((pad, pad), (pad, pad), (0, 0))
        )
        box = (x + pad - reach, y + pad - reach, x + pad + reach, y + pad + reach)
        square = Image.fromarray(cell.astype(np.uint8)).resize((side, side), Image.Resampling.BILINEAR, box=box)
        yield np.asarray(square)


def _evenly_spaced(items: list[Any], most: int) -> list[Any]:
    return [items[index] for index in np.linspace(0, len(items) - 1, min(most, len(items))).astype(int)]


def _compared(exact: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    tables = (exact, other)
    reasons = sorted(
        {reason for table in tables for text in table["refer_reason"].dropna() for reason in text.split("; ")}
    )
    return {
        "cells": len(exact),
        "labels": float((exact["predicted"] == other["predicted"]).mean()),
        "decisions": float((exact["refer"].astype(bool) == other["refer"].astype(bool)).mean()),
        "referred": {
            "any reason": [float(table["refer"].astype(bool).mean()) for table in tables],
            **{
                reason: [
                    float(table["refer_reason"].fillna("").str.contains(reason, regex=False).mean()) for table in tables
                ]
                for reason in reasons
            },
        },
    }


if __name__ == "__main__":
    main()
