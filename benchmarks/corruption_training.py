"""Training against JPEG, blur and noise: `python benchmarks/corruption_training.py --data cnmc:cnmc`.

Compares augmentations of the recipe `blast` by five folds over subjects: the raw stream alone, on cached features of
augmented views, one view at test. Prints the AUC and the balanced accuracy of the held-out cells, as they are and
corrupted, and which augmentation four inner folds of each outer fold would choose: by the mean of the AUC without
corruption and the mean AUC at JPEG 90, a blur of 1 pixel and noise of 5. About nine minutes of one core per
augmentation.
"""

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lymphoscope.data import Manifest, read_source, split_folds
from lymphoscope.experiments.frozen_grid import frozen_extractor
from lymphoscope.robustness.corruptions import blur, jpeg
from lymphoscope.training import Recipe, load_recipe
from lymphoscope.training.batches import load_cells, resolve_preparation
from lymphoscope.training.frozen_heads import FrozenCells, HeadTask, predict_heads, train_heads

Pixels = NDArray[np.uint8]

AUGMENTATIONS: Final = {
    "shipped": (),
    "mild": ("augmentation.blur=0.005", "augmentation.noise=0.02", "augmentation.jpeg=80"),
    "medium": ("augmentation.blur=0.01", "augmentation.noise=0.04", "augmentation.jpeg=50"),
}
CONDITIONS: Final[dict[str, Callable[[Pixels, int], Pixels]]] = {
    "as they are": lambda pixels, _: pixels,
    "JPEG 95": lambda pixels, _: jpeg(pixels, 95),
    "JPEG 90": lambda pixels, _: jpeg(pixels, 90),
    "JPEG 70": lambda pixels, _: jpeg(pixels, 70),
    "blur 1": lambda pixels, _: blur(pixels, 1.0),
    "blur 2": lambda pixels, _: blur(pixels, 2.0),
    "noise 5": lambda pixels, seed: _noise(pixels, 5, seed),
    "noise 10": lambda pixels, seed: _noise(pixels, 10, seed),
}
CHOSEN_BY: Final = ("JPEG 90", "blur 1", "noise 5")
VIEWS, OUTER, INNER = 10, 5, 4


@dataclass(frozen=True)
class Scores:
    """Blast scores by augmentation: of the outer folds (C, N), and of the inner folds of each outer fold (O, C, N).

    C are the conditions; cells that an inner fold does not predict are NaN.
    """

    outer: NDArray[np.float32]
    inner: NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="cells of C-NMC, as in `lymphoscope train --data`")
    parser.add_argument("--augmentations", nargs="*", choices=AUGMENTATIONS, default=list(AUGMENTATIONS))
    parser.add_argument("--conditions", nargs="*", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--no-inner", action="store_true", help="leave out the inner folds, and with them the choice")
    options = parser.parse_args()
    read = read_source(options.data)
    cells = read.with_table(read.table[read.table["label"].notna()].reset_index(drop=True))
    is_blast = (cells.table["label"] == "all").to_numpy()
    print(f"| augmentation | {' | '.join(options.conditions)} |\n{'|---' * (1 + len(options.conditions))}|")
    scores = {}
    for name in options.augmentations:
        scores[name] = _scores(cells, AUGMENTATIONS[name], options.conditions, 0 if options.no_inner else INNER)
        print(_row(name, is_blast, scores[name].outer), flush=True)
    if not options.no_inner and set(CHOSEN_BY) <= set(options.conditions):
        chosen, nested = _choose(scores, is_blast, options.conditions)
        print(_row(f"chosen by the inner folds ({', '.join(chosen)})", is_blast, nested))


def _scores(cells: Manifest, overrides: tuple[str, ...], conditions: list[str], inner_folds: int) -> Scores:
    recipe = load_recipe("blast", ["optimisation.epochs=60", "hardware.precision=32-true", *overrides])
    every = cells.with_table(cells.table.assign(split="train"))
    loaded = load_cells(every, "train", recipe, resolve_preparation(recipe, every))
    if len(loaded.rows) != len(cells):
        raise SystemExit("some cells cannot be read: " + "; ".join(loaded.unreadable))
    device = torch.device("cpu")
    frozen = FrozenCells(loaded, recipe, frozen_extractor(recipe, 2, device), VIEWS, device)
    tested = [_corrupted(frozen, name) for name in conditions]
    outer, inner = [], []
    for number, train, test in _folds(cells, OUTER, 0):
        outer.append(HeadTask(train, test, number))
        part = cells.with_table(cells.table.iloc[train].reset_index(drop=True))
        if inner_folds:
            for second, own, held_out in _folds(part, inner_folds, 1):
                inner.append((number, HeadTask(train[own], train[held_out], 100 + 10 * number + second)))
    positive = cells.classes.index("all")
    result = Scores(*(np.full((*more, len(conditions), len(cells)), np.nan, np.float32) for more in ((), (OUTER,))))
    _fill([result.outer] * OUTER, outer, frozen, tested, recipe, positive)
    _fill([result.inner[number] for number, _ in inner], [task for _, task in inner], frozen, tested, recipe, positive)
    return result


def _folds(cells: Manifest, count: int, seed: int) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Number, training and test cells of each fold, by subject."""
    parts = [fold.table["split"].to_numpy(object) for fold in split_folds(cells, count, validation=0.0, seed=seed)]
    return [
        (number, *(np.flatnonzero(part == name) for name in ("train", "test"))) for number, part in enumerate(parts)
    ]


def _corrupted(frozen: FrozenCells, condition: str) -> FrozenCells:
    if condition == "as they are":
        return frozen
    images = frozen.clean.permute(0, 2, 3, 1).numpy()
    changed = np.stack([CONDITIONS[condition](pixels, number) for number, pixels in enumerate(images)])
    other = copy.copy(frozen)
    other.clean = torch.from_numpy(changed).permute(0, 3, 1, 2).contiguous()
    other.clean_features = other.features(other.clean)
    return other


def _fill(
    results: list[NDArray[np.float32]],
    tasks: list[HeadTask],
    frozen: FrozenCells,
    tested: list[FrozenCells],
    recipe: Recipe,
    positive: int,
) -> None:
    """Train the heads of `tasks` and write the scores of their test cells into `results`, one (C, N) per task."""
    if not tasks:
        return
    heads = train_heads(frozen, tasks, recipe, 2, ("raw",))
    for index, cells in enumerate(tested):
        predicted = predict_heads(heads, cells, tasks, recipe, ("raw",))
        for result, task, probabilities in zip(results, tasks, predicted, strict=True):
            result[index, task.test] = probabilities[0, :, positive].numpy()


def _choose(
    scores: dict[str, Scores], is_blast: NDArray[np.bool_], conditions: list[str]
) -> tuple[list[str], NDArray[np.float32]]:
    """The augmentation that each outer fold chooses, and the scores (C, N) of its test cells with it."""
    chosen, nested = [], np.full_like(next(iter(scores.values())).outer, np.nan)
    for fold in range(OUTER):
        training = ~np.isnan(next(iter(scores.values())).inner[fold, 0])
        merit = {}
        for name, each in scores.items():
            areas = {
                condition: roc_auc_score(is_blast[training], each.inner[fold, index, training])
                for index, condition in enumerate(conditions)
            }
            merit[name] = areas["as they are"] + np.mean([areas[condition] for condition in CHOSEN_BY])
        chosen.append(max(merit, key=lambda name: merit[name]))
        nested[:, ~training] = scores[chosen[-1]].outer[:, ~training]
    return chosen, nested


def _row(name: str, is_blast: NDArray[np.bool_], scores: NDArray[np.float32]) -> str:
    cells = (
        f"{roc_auc_score(is_blast, row):.3f}, {balanced_accuracy_score(is_blast, row > 0.5):.3f}" for row in scores
    )
    return f"| {name} | {' | '.join(cells)} |"


def _noise(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    """Add Gaussian noise of `deviation` grey levels; black stays black."""
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    return np.where(pixels.any(axis=2, keepdims=True), noisy, pixels)


if __name__ == "__main__":
    main()
