"""`white-cells` on cells of other laboratories: `python benchmarks/other_laboratories.py --data DIR`.

DIR has `masks/cells.csv` (Tecom, CellaVision), `fields/boxes.csv` (Chula, pig blood) and `all_fields/` (patients with
suspected leukaemia). None of these cells was trained on. Prints the accuracy over five kinds with its 95 % interval
(Wilson) over all cells and over those that are not referred, and the share referred. For cells that no class names
(blasts, pig blood): the share referred, and the share that is called lymphocyte and not referred.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lymphoscope import load
from lymphoscope.data import read_image
from lymphoscope.smear import load_detector

MICRONS_PER_PIXEL = {
    # From the diameter of the red cells, 7.5 microns, or for Tecom, whose images show none, of the neutrophils.
    "chula": 0.090,
    "cellavision": 0.079,
    "tecom": 0.166,
    "all_fields": 0.439,
}
PIG_CELL = 11.0
"""Microns across a white cell of a pig; a box of the smartphone's fields is that wide."""
KINDS = {
    "band_neutrophil": "neutrophil",
    "segmented_neutrophil": "neutrophil",
    "promyelocyte": "immature granulocyte",
    "myelocyte": "immature granulocyte",
    "metamyelocyte": "immature granulocyte",
}
Pixels = NDArray[np.uint8]


class Cell(NamedTuple):
    """A cell cut out with its surroundings; `kind` is None where no class of the model names it."""

    pixels: Pixels
    group: str
    kind: str | None


def main() -> None:
    options = _options()
    model = load(options.model, runtime=options.runtime, threads=options.threads)
    how = model.description.preprocessing
    if how.microns_per_pixel is None:
        raise SystemExit(f"{model.description.name} does not say at which scale it takes cells")
    cut = Cutter(how.crop, how.microns_per_pixel)
    cells = [*mask_cells(options.data, cut), *chula_cells(options.data, cut)]
    cells += [*leukaemia_cells(options.data, cut), *pig_cells(options.data, cut, options.pig)]
    table = model.predict([cell.pixels for cell in cells])
    table = table.assign(group=[cell.group for cell in cells], kind=[cell.kind for cell in cells])
    rows = [_row(str(group), part) for group, part in table.groupby("group", sort=False)]
    print(json.dumps(rows, indent=2) if options.json else _markdown(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the image sets")
    parser.add_argument("--model", default="white-cells", help="model folder, or the name of a model that ships")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pig", type=int, default=200, help="number of pig cells, drawn at random")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


class Cutter:
    """Cuts squares of `side` pixels at `microns_per_pixel` around a cell; fields are mirrored beyond their border."""

    def __init__(self, side: int, microns_per_pixel: float) -> None:
        self.side, self.microns_per_pixel = side, microns_per_pixel

    def __call__(self, field: Pixels, x: float, y: float, microns_per_pixel: float) -> Pixels:
        side = self.side * self.microns_per_pixel / microns_per_pixel
        pad = int(side)
        padded = np.pad(field, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
        left, top = x + pad - side / 2, y + pad - side / 2
        box = (left, top, left + side, top + side)
        square = Image.fromarray(padded).resize((self.side, self.side), Image.Resampling.BILINEAR, box=box)
        return np.asarray(square)


def mask_cells(data: Path, cut: Cutter) -> Iterator[Cell]:
    """Tecom and CellaVision: single cells with an outline, centred by it."""
    for row in pd.read_csv(data / "masks" / "cells.csv").itertuples():
        rows, columns = np.nonzero(read_image(data / "masks" / str(row.mask))[:, :, 0] > 60)
        centre = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
        field = read_image(data / "masks" / str(row.path))
        yield Cell(cut(field, *centre, MICRONS_PER_PIXEL[str(row.source)]), str(row.source), str(row.label))


def chula_cells(data: Path, cut: Cutter) -> Iterator[Cell]:
    """Boxed white cells of the Chula fields."""
    for image, x, y, _, name in _boxes(data, "Chula-WBC"):
        yield Cell(cut(image, x, y, MICRONS_PER_PIXEL["chula"]), "chula", name.partition(":")[2])


def leukaemia_cells(data: Path, cut: Cutter) -> Iterator[Cell]:
    """Cells that the classical detector finds on fields of patients: `benign`, and three stages of leukaemia."""
    detector, scale = load_detector("classical"), MICRONS_PER_PIXEL["all_fields"]
    for path in sorted((data / "all_fields").rglob("*.jpg")):
        field = read_image(path)
        for x, y, width, height in detector.detect(field, scale).boxes:
            yield Cell(cut(field, x + width / 2, y + height / 2, scale), f"all_fields {path.parent.name.lower()}", None)


def pig_cells(data: Path, cut: Cutter, count: int) -> Iterator[Cell]:
    """White cells of pig blood, photographed by a smartphone."""
    for image, x, y, width, _ in _boxes(data, "pig", count):
        yield Cell(cut(image, x, y, PIG_CELL / width), "pig", None)


def _boxes(data: Path, source: str, count: int | None = None) -> Iterator[tuple[Pixels, float, float, float, str]]:
    """Yield image, centre (x, y), width in pixels and class of the boxes of white cells of a source."""
    table = pd.read_csv(data / "fields" / "boxes.csv")
    table = table[(table["source"] == source) & table["class"].astype(str).str.startswith("WBC")]
    chosen = table if count is None or count >= len(table) else table.sample(count, random_state=0)
    for row in chosen.itertuples():
        names = (data / "fields" / "images" / str(row.image), data / "fields" / str(row.image))
        image = read_image(next(path for path in names if path.exists()))
        left, right, top, bottom = (float(value) for value in (row.xmin, row.xmax, row.ymin, row.ymax))
        yield image, (left + right) / 2, (top + bottom) / 2, right - left, str(table.loc[row.Index, "class"])


def _row(group: str, table: pd.DataFrame) -> dict[str, object]:
    kinds = table["predicted"].map(lambda name: KINDS.get(name, name))
    referred = table["refer"].astype(bool)
    row: dict[str, object] = {"cells": group, "count": len(table), "referred": float(referred.mean())}
    if table["kind"].notna().all():
        right = (kinds == table["kind"]).to_numpy()
        row |= {"accuracy": float(right.mean()), "interval": wilson(right)}
        row["accuracy of those not referred"] = float(right[~referred].mean()) if (~referred).any() else None
    row["called lymphocyte and not referred"] = float(((kinds == "lymphocyte") & ~referred).mean())
    row["most frequent"] = {str(name): int(number) for name, number in kinds.value_counts().head(4).items()}
    return row


def wilson(right: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927)."""
    count, share, z = len(right), right.mean(), 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return float(middle - half), float(middle + half)


def _markdown(rows: Iterable[dict[str, object]]) -> str:
    names = ("cells", "count", "accuracy", "interval", "accuracy of those not referred", "referred")
    names = (*names, "called lymphocyte and not referred", "most frequent")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *(f"| {' | '.join(_text(row.get(name)) for name in names)} |" for row in rows)])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    if isinstance(value, tuple):
        return " to ".join(f"{number:.3f}" for number in value)
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
