"""A kind of cell that training did not have: `python benchmarks/left_out_class.py --data pbc:pbc --work DIR`.

Leaves each class out of training in turn, trains the recipe on the others, and predicts the cells of the left-out
class and the test cells of the others. Prints the share of both that is referred, the share that each group of reasons
refers, and what the left-out cells are called. The default is a short training on small images, a few minutes per class
on one core. Finished trainings in DIR are used again.
"""

import argparse
from pathlib import Path

import pandas as pd

from lymphoscope import load, train
from lymphoscope.data import Manifest, read_source
from lymphoscope.evaluation import read_predictions
from lymphoscope.inference import predict_manifest

SHORT = ("optimisation.epochs=3", "data.size=128")
REASONS = {
    "referred": "",
    "by streams and scores": "streams disagree|score",
    "by feature distance": "unlike the training cells",
    "by class distance": "unlike each class",
}
"""Heading -> what the text of a reason contains."""


def main() -> None:
    options = _options()
    cells = _sample(read_source(options.data), options.max_per_class)
    classes = options.classes or sorted(cells.table["label"].dropna().unique())
    print(f"| left out | classified as | {' | '.join(f'{heading}: left out / others' for heading in REASONS)} |")
    print("|---" * (2 + len(REASONS)) + "|")
    for name in classes:
        unknown, known = _leave_out(cells, name, options)
        called = ", ".join(f"{label} {count}" for label, count in unknown["predicted"].value_counts().head(3).items())
        shares = [f"{_share(unknown, text):.3f} / {_share(known, text):.3f}" for text in REASONS.values()]
        print(f"| {name} ({len(unknown)}) | {called} | {' | '.join(shares)} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="cells with labels, as in `lymphoscope train --data`")
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--config", default="white-cells", help="recipe (default: white-cells)")
    parser.add_argument("--set", dest="overrides", nargs="*", default=SHORT, help="changes of the recipe")
    parser.add_argument("--max-per-class", type=int, help="random cells to use of each class (default: all)")
    parser.add_argument("--classes", nargs="*", help="classes to leave out (default: each in turn)")
    return parser.parse_args()


def _sample(cells: Manifest, count: int | None) -> Manifest:
    """Return at most `count` random cells of each class, the same in each run, and no cells without a label."""
    if count is None:
        return cells
    shuffled = cells.table.dropna(subset="label").sample(frac=1, random_state=0)
    return cells.with_table(shuffled.groupby("label").head(count).sort_index().reset_index(drop=True))


def _leave_out(cells: Manifest, name: str, options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions of the cells of the class, and those of the test cells of the other classes."""
    run, predictions = options.work / name, options.work / f"{name}.parquet"
    is_left_out = cells.table["label"] == name
    if not (run / "metrics.json").is_file():
        options.work.mkdir(parents=True, exist_ok=True)
        others = _part(cells, ~is_left_out).table
        train(others, run, recipe=options.config, overrides=options.overrides)
    predict_manifest(load(run / "model"), _part(cells, is_left_out), predictions)
    return read_predictions(predictions), read_predictions(run / "predictions.parquet")


def _part(cells: Manifest, chosen: "pd.Series[bool]") -> Manifest:
    return cells.with_table(cells.table[chosen].reset_index(drop=True))


def _share(predictions: pd.DataFrame, text: str) -> float:
    """The share of cells with a reason for referral that contains `text`, a regular expression."""
    return float(predictions["refer_reason"].fillna("").str.contains(text).where(predictions["refer"], False).mean())


if __name__ == "__main__":
    main()
