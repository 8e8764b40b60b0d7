"""Draw synthetic cells and train the model of `lymphoscope review demo` on them (needs [train] and [review]).

    python benchmarks/review_demo_model.py [--out DIR] [--work DIR]

Fourteen synthetic smears, each of a stain of its own, give 42 whole cells each, cut out of their fields as `smear`
cuts them. The recipe is review_demo_model.yaml. Weights are rounded to half precision. The limits of referral are set
by hand, not fitted: two of three streams agree, the score is at least 0.5, and the features are like those of the
training cells.
"""

import argparse
import csv
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from lymphoscope import train
from lymphoscope.cli.main import run
from lymphoscope.data import read_image
from lymphoscope.evaluation import read_predictions
from lymphoscope.model_file import halve_weights, load_description, model_card, record_referral
from lymphoscope.review.pages.model_cells import DEMO_MODEL
from lymphoscope.smear.cutting import CellCutter, glass_colour
from lymphoscope.synthetic import SmearSettings, TrueCell, synthesize_smear

RECIPE = Path(__file__).with_name("review_demo_model.yaml")
SUBJECTS = range(100, 114)
CELLS_OF_A_SUBJECT = 42
CUTTER = CellCutter(crop=112, microns_per_pixel=0.14, surroundings="kept")
NAMES = {"all": "blast", "hem": "lymphocyte"}
"""Class of the generator, which draws lymphoid cells as C-NMC names them -> class of the model."""
RULES = ("streams", "score", "feature_distance", "cut_off")
NO_OUTLINE = np.zeros((0, 2), np.float32)
USE = """## Intended use

The demo of the review, whose cells are synthetic. For no real cell.

Made by `python benchmarks/review_demo_model.py`. The limits of referral are set by hand: two of three streams agree,
the score is at least 0.5, and the features are like those of the training cells. Accuracy on the held-out synthetic
cells: {accuracy:.3f}.
"""


def main() -> None:
    """Draw, train, set the limits, export and store the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEMO_MODEL)
    parser.add_argument("--work", type=Path, help="folder for the cells and the run (default: a temporary one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(given.work or Path(folder), given.out)


def make(work: Path, out: Path) -> None:
    """Make the model in `work` and replace `out` by it."""
    table = draw_cells(work / "cells")
    train(f"table:{table}", work / "run", recipe=str(RECIPE))
    model = work / "run" / "model"
    trained = halve_weights(model)
    by_hand = {"minimum_agreement": 0.6, "minimum_score": 0.5, "band": None, "rules": RULES}
    record_referral(model, calibration=trained.calibration, referral=trained.referral.model_copy(update=by_hand))
    if run(["export", str(model), "--to", "onnx", "--cells", str(table)]):
        raise SystemExit("the export failed")
    card = model_card(load_description(model)).partition("## Intended use")[0]
    (model / "README.md").write_text(card + USE.format(accuracy=accuracy(work / "run")), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    # The demo compares no cells with those of the training.
    shutil.copytree(model, out, ignore=shutil.ignore_patterns("training_cells.parquet"))


def accuracy(run_folder: Path) -> float:
    """Return the share of the held-out cells of a run that were right."""
    table = read_predictions(run_folder / "predictions.parquet")
    return float((table["label"] == table["predicted"]).mean())


def draw_cells(folder: Path) -> Path:
    """Draw the smears and cut their whole cells out; return the manifest."""
    table = folder / "cells.csv"
    (folder / "crops").mkdir(parents=True)
    with table.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("path", "label", "subject"))
        for seed in SUBJECTS:
            rows.writerows(cut_subject(folder, seed))
    return table


def cut_subject(folder: Path, seed: int) -> list[tuple[str, str, str]]:
    """Draw the smear of one subject and cut cells out of it; return their rows."""
    settings = SmearSettings(fields=6, white_cells=8, seed=seed)
    smear = folder / f"smear-{seed}"
    synthesize_smear(smear, settings)
    rows: list[tuple[str, str, str]] = []
    for name, cell in true_cells(smear):
        if cell.cut_by_edge or len(rows) == CELLS_OF_A_SUBJECT:
            continue
        field = read_image(smear / "fields" / name)
        pixels = CUTTER.cut(field, cell.centre, NO_OUTLINE, settings.microns_per_pixel, glass_colour(field))
        path = f"crops/{seed}-{len(rows):03}.png"
        Image.fromarray(pixels).save(folder / path)
        rows.append((path, NAMES.get(cell.class_name, cell.class_name), f"synthetic-{seed}"))
    return rows


def true_cells(smear: Path) -> list[tuple[str, TrueCell]]:
    """Return the white cells of a drawn smear, each with the name of its field."""
    with (smear / "truth.csv").open(encoding="utf-8", newline="") as stream:
        return [(row["field"], true_cell(row)) for row in csv.DictReader(stream)]


def true_cell(row: dict[str, str]) -> TrueCell:
    """Return the cell of a row of truth.csv."""
    box = (int(row[name]) for name in ("x", "y", "width", "height"))
    return TrueCell(row["class"], *box, row["touching"] == "True", row["cut_by_edge"] == "True")


if __name__ == "__main__":
    main()
