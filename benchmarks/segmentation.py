"""Dice of nucleus and whole cell on cells whose outlines were drawn: DATA/cells.csv with path, mask, label, source.

Every fourth cell of the table was used to choose the steps; the others are the figures to report.

python benchmarks/segmentation.py DATA [--json FILE]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from timing import write

from lymphoscope.data.images import read_image
from lymphoscope.smear.segmentation import segment_cell

NUCLEUS, CYTOPLASM = 255, 128
"""Grey levels of the masks."""
CHOSEN_ON = 4
"""The steps of the segmentation were chosen on cells 0, 4, 8, ... of the table."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = pd.read_csv(options.data / "cells.csv")
    rows = [
        {"source": row.source, "path": row.path, **dice_of(options.data, str(row.path), str(row.mask))}
        for row in table.itertuples()
    ]
    scores = pd.DataFrame(rows)
    answer = {}
    print("| source | cells | Dice of nucleus | Dice of cell | worst tenth, cell |")
    print("| --- | --- | --- | --- | --- |")
    seen = scores.index % CHOSEN_ON == 0
    new = scores[~seen]
    for source, own in [*new.groupby("source"), ("all", new), ("those it was chosen on", scores[seen])]:
        line = [
            round(float(value), 3) for value in (own["nucleus"].mean(), own["cell"].mean(), own["cell"].quantile(0.1))
        ]
        answer[str(source)] = {"cells": len(own), "nucleus": line[0], "cell": line[1], "cell_worst_tenth": line[2]}
        print(f"| {source} | {len(own)} | {line[0]:.3f} | {line[1]:.3f} | {line[2]:.3f} |")
    print("lowest:", ", ".join(f"{row.path} {row.cell:.2f}" for row in scores.nsmallest(10, "cell").itertuples()))
    write(options.json, {"dice": answer})


def dice_of(data: Path, path: str, mask: str) -> dict[str, float]:
    found = segment_cell(read_image(data / path))
    drawn = np.asarray(Image.open(data / mask).convert("L"))
    return {
        "nucleus": dice(found.nucleus, drawn > (NUCLEUS + CYTOPLASM) / 2),
        "cell": dice(found.cell, drawn > CYTOPLASM / 2),
    }


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / max(first.sum() + second.sum(), 1))


if __name__ == "__main__":
    main()
