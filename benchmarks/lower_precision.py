"""A lower precision against float32, cell by cell: `python benchmarks/lower_precision.py --data NAME=SRC --masks DIR`.

Prints for each group of cells how many labels and decisions to refer are equal, and the share that is referred in each
precision, in all and for each reason. `--folds` is a cross-validation: the model of each fold is exported in both
precisions, calibrated on its own cells, and predicts the cells of the people whom it has not seen; their AUC and
balanced accuracy are printed as well. `--masks` has `cells.csv` (Tecom, CellaVision), whose cells are cut out on black
at the scale of the model. Familiar cells should be referred as often as in float32, and unfamiliar ones as well.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from other_laboratories import MICRONS_PER_PIXEL
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from timing import write

from lymphoscope import load
from lymphoscope.data import read_image, read_source
from lymphoscope.export import export_model, read_sample
from lymphoscope.inference import cells_of
from lymphoscope.model_file import load_description

Pixels = NDArray[np.uint8]


def main() -> None:
    options = _options()
    needs_model = options.data or options.masks
    models = {
        precision: load(options.model, runtime=options.runtime, precision=precision, threads=options.threads)
        for precision in (("float32", options.precision) if needs_model else ())
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
    if options.folds:
        tables = held_out_predictions(options.folds, options.runtime, options.precision, options.threads)
        rows["held out"] = {**_compared(*tables), "scores": _scores(options.folds, tables)}
    for name, cells in groups.items():
        exact, other = (model.predict(cells) for model in models.values())
        rows[name] = _compared(exact, other)
    print(f"{options.folds or options.model}: {options.precision} of {options.runtime} against float32")
    for name, row in rows.items():
        equal = f"equal labels {row['labels']:.2%}, equal decisions {row['decisions']:.2%}"
        print(f"{name:<12}{row['cells']:>5} cells, {equal}")
        for reason, (before, after) in {**row.get("scores", {}), **row["referred"]}.items():
            print(f"  {reason:<30}{before:>8.2%} ->{after:>8.2%}")
    write(options.json, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=[], metavar="NAME=SRC", help="groups of cells")
    parser.add_argument("--masks", type=Path, help="folder of outlined cells, with cells.csv")
    parser.add_argument("--folds", type=Path, metavar="RUN", help="run folder of `lymphoscope train --folds`")
    parser.add_argument("--model", default="blast", help="model folder, or the name of a model that ships")
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--cells", type=int, default=400, help="most cells of a group, evenly spaced")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    return parser.parse_args()


def held_out_predictions(run: Path, runtime: str, precision: str, threads: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of the held-out cells of a cross-validation in float32 and `precision`, by their fold's model."""
    tables: dict[str, list[pd.DataFrame]] = {"float32": [], precision: []}
    for fold in sorted(run.glob("fold_*")):
        manifest = read_source(f"table:{fold / 'manifest.parquet'}")
        own, held_out = (manifest.table[manifest.table["split"].eq("test") == is_test] for is_test in (False, True))
        with TemporaryDirectory() as temporary:
            model = Path(temporary) / "model"
            shutil.copytree(fold / "model", model)
            how = load_description(model).preprocessing
            seen = read_sample(cells_of(manifest.with_table(own)), "the fold's own cells", how, len(own))
            export_model(model, runtime, seen.evenly_spaced(16))
            export = export_model(model, runtime, seen, precision=precision, calibration=seen, min_label_agreement=0)
            print(f"{fold.name}: equal labels {export.parity.labels:.2%} of {export.parity.source}", flush=True)
            for each, predicted in tables.items():
                network = load(model, runtime=runtime, precision=each, threads=threads)
                predicted.append(network.predict(manifest.with_table(held_out)))
    exact, other = (pd.concat(parts, ignore_index=True) for parts in tables.values())
    return exact, other


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


def _scores(run: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> dict[str, list[float]]:
    """The scores of the held-out cells of a cross-validation in both precisions."""
    labels = tables[0]["label"]
    blasts = load_description(run / "fold_0" / "model").blast_class
    return {
        "AUC": [float(roc_auc_score(labels == blasts, table[f"score_{blasts}"])) for table in tables],
        "balanced accuracy": [float(balanced_accuracy_score(labels, table["predicted"])) for table in tables],
    }


if __name__ == "__main__":
    main()
