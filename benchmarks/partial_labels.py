"""Training with partial labels against training without: `python benchmarks/partial_labels.py --data pbc:pbc`.

Heads of the recipe `white-cells` on cached features of the frozen backbone: the raw stream, one view at test. Every
cell with a label is tested once per repetition, by five folds; both trainings have the same folds, seeds and steps.
Prints macro F1, the paired difference with its 95 % interval over cells and repetitions, and the difference of each
repetition. `--control` repeats this with the labels of most training cells of the kinds with partial labels hidden,
which leaves them out or makes them partial labels. About four minutes of one core, and half a minute per repetition.
"""

import argparse
import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lymphoscope.data import Manifest, read_source, split_folds, with_fingerprints
from lymphoscope.data.partial_labels import has_partial_label, possible_labels
from lymphoscope.experiments.frozen_grid import frozen_extractor
from lymphoscope.training import Recipe, load_recipe
from lymphoscope.training.batches import NO_LABEL, load_cells, resolve_preparation
from lymphoscope.training.frozen_heads import FrozenCells, HeadTask, predict_heads, train_heads

Indices = NDArray[np.int64]
FOLDS, DRAWS, HIDDEN = 5, 2000, 0.9


def main() -> None:
    options = _options()
    cells = with_fingerprints(_some_of_each_class(read_source(options.data), options.cells))
    classes, table = cells.classes, cells.table
    sets = {value: possible_labels(value) for value in table.loc[has_partial_label(table), "possible_labels"].unique()}
    counts = table.loc[has_partial_label(table), "possible_labels"].value_counts()
    print(f"{len(table)} cells; partial labels: {', '.join(f'{count} {value}' for value, count in counts.items())}")
    frozen, recipe = _frozen_cells(cells, options)
    is_partial = has_partial_label(table).to_numpy()
    groups = {"all": classes, **{" or ".join(map(str, names)): names for names in sets.values()}}
    truth = np.array([classes.index(label) if label else NO_LABEL for label in table["label"]])
    print(f"| training cells | {' | '.join(f'macro F1, {name}' for name in groups)} |\n{'|---' * (1 + len(groups))}|")
    comparisons = [(frozen, is_partial, ("with labels only", "and partial labels"))]
    if options.control:
        hidden = _hidden(table, sets)
        hiding = _with_partial_labels(frozen, table, sets, hidden)
        comparisons.append((hiding, hidden | is_partial, ("most labels hidden", "as partial labels")))
    for frozen_cells, left_out, names in comparisons:
        predicted = _predict(cells, frozen_cells, recipe, left_out, options.repetitions)  # (2, R, N)
        draws = _bootstrap_weights(truth != NO_LABEL)
        scores = {
            name: _macro_f1(predicted, truth, [classes.index(label) for label in labels], draws)
            for name, labels in groups.items()
        }
        for number, name in enumerate(names):
            values = " | ".join(f"{score[number, :, 0].mean():.3f}" for score in scores.values())
            print(f"| {name} | {values} |")
        print(f"| difference | {' | '.join(map(_difference, scores.values()))} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", required=True, help="cells, some with possible labels, as in `lymphoscope train --data`"
    )
    parser.add_argument(
        "--cells", type=int, default=300, help="at most so many labelled cells per class (default: 300)"
    )
    parser.add_argument("--views", type=int, default=3, help="augmented views of each cell (default: 3)")
    parser.add_argument("--repetitions", type=int, default=10, help="repetitions of the five folds (default: 10)")
    parser.add_argument("--epochs", type=int, default=12, help="epochs of each head (default: 12)")
    parser.add_argument("--control", action="store_true", help="also compare with most labels hidden")
    return parser.parse_args()


def _some_of_each_class(cells: Manifest, count: int) -> Manifest:
    shuffled = cells.table.sample(frac=1, random_state=0)
    chosen = shuffled.groupby("label").head(count).index.union(cells.table.index[has_partial_label(cells.table)])
    return cells.with_table(cells.table.loc[chosen].reset_index(drop=True))


def _frozen_cells(cells: Manifest, options: argparse.Namespace) -> tuple[FrozenCells, Recipe]:
    overrides = ["model.freeze=true", "data.size=128", f"optimisation.epochs={options.epochs}"]
    recipe = load_recipe("white-cells", overrides)
    every = cells.with_table(cells.table.assign(split="train"))
    loaded = load_cells(every, "train", recipe, resolve_preparation(recipe, every))
    if len(loaded.rows) != len(cells):
        raise SystemExit("some cells cannot be read: " + "; ".join(loaded.unreadable))
    device = torch.device("cpu")
    extractor = frozen_extractor(recipe, len(cells.classes), device)
    return FrozenCells(loaded, recipe, extractor, options.views, device), recipe


def _hidden(table: pd.DataFrame, sets: dict[str, list[str | None]]) -> NDArray[np.bool_]:
    """Which labelled cells (N,) of the kinds with partial labels lose their label in the control."""
    of_sets = table["label"].isin([name for names in sets.values() for name in names]).to_numpy()
    return of_sets & (np.random.default_rng(0).random(len(table)) < HIDDEN)


def _with_partial_labels(
    frozen: FrozenCells, table: pd.DataFrame, sets: dict[str, list[str | None]], hidden: NDArray[np.bool_]
) -> FrozenCells:
    """The same cells, in which the hidden ones have the partial label that contains their label."""
    classes = sorted(table["label"].dropna().unique())
    assert frozen.cells.possible is not None  # noqa: S101  # there are cells with partial labels
    possible, labels = frozen.cells.possible.copy(), np.array(frozen.cells.labels)
    for row in np.flatnonzero(hidden):
        names = next(names for names in sets.values() if table["label"][row] in names)
        possible[row], labels[row] = [name in names for name in classes], NO_LABEL
    other = copy.copy(frozen)
    other.cells = replace(frozen.cells, possible=possible, labels=labels.tolist())
    other.labels = torch.tensor(possible)
    return other


def _predict(
    cells: Manifest, frozen: FrozenCells, recipe: Recipe, left_out: NDArray[np.bool_], repetitions: int
) -> Indices:
    """Predicted class of each cell (2, R, N) without the cells of `left_out` in training and with them."""
    predicted = np.full((2, repetitions, len(cells)), NO_LABEL)
    for repetition in range(repetitions):
        folds = split_folds(cells, FOLDS, validation=0.0, by="random", seed=repetition, partial_labels=True)
        tasks, ways = [], []
        for number, fold in enumerate(folds):
            train, test = (np.flatnonzero(fold.table["split"] == part) for part in ("train", "test"))
            for way, own in enumerate((train[~left_out[train]], train)):
                tasks.append(HeadTask(own, test, FOLDS * repetition + number))
                ways.append(way)
        heads = train_heads(frozen, tasks, recipe, len(cells.classes), ("raw",))
        for way, task, found in zip(ways, tasks, predict_heads(heads, frozen, tasks, recipe, ("raw",)), strict=True):
            predicted[way, repetition, task.test] = found[0].argmax(dim=1).numpy()
    return predicted


def _bootstrap_weights(is_tested: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often each cell (N,) is in each draw (D, N); the first draw is the sample."""
    rows = np.flatnonzero(is_tested)
    weights = np.zeros((DRAWS + 1, len(is_tested)))
    weights[0, rows] = 1
    weights[1:, rows] = np.random.default_rng(0).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), DRAWS)
    return weights


def _macro_f1(
    predicted: Indices, truth: Indices, classes: list[int], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean F1 of the classes (2, R, D), over all cells, in each draw."""
    of_class = []
    for index in classes:
        is_true, is_found = truth == index, predicted == index
        correct = np.einsum("wrn,dn->wrd", (is_found & is_true).astype(float), weights)
        found = np.einsum("wrn,dn->wrd", is_found.astype(float), weights)
        of_class.append(2 * correct / np.maximum(found + weights @ is_true, 1))
    return np.mean(of_class, axis=0)


def _difference(scores: NDArray[np.float64]) -> str:
    each = scores[1] - scores[0]  # (R, D)
    chosen = np.random.default_rng(1).integers(0, len(each), (len(each), DRAWS))
    low, high = np.quantile(np.take_along_axis(each[:, 1:], chosen, axis=0).mean(axis=0), (0.025, 0.975))
    listed = ", ".join(f"{value:+.3f}" for value in each[:, 0])
    return f"{each[:, 0].mean():+.3f} ({low:+.3f} to {high:+.3f}); {listed}"


if __name__ == "__main__":
    main()
