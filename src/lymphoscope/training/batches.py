"""Cells -> batches. Every random draw comes from (seed, epoch, position), whatever the number of workers."""

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler

from lymphoscope.augment import BaseAugmentation, ImageAugmentation, Mixing, batch_mixing, image_augmentation
from lymphoscope.data import CellImages, Geometry, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.training.recipe import Recipe

Key = tuple[int, int, int]
"""Epoch, position in the epoch, index of the cell."""


@dataclass(frozen=True)
class LabelledCells(Dataset[tuple[Tensor, int | Tensor]]):
    """The readable cells of one part of a split: key -> uint8 image (3, S, S), augmented in training, and class index.

    `augmentations` change an image each, in their order; `mixing` the images of a batch, whose labels are then shares
    of the classes (K,). `places` says where in `images` a cell is; `labels` and `subjects` follow it. `unreadable` are
    the faults of the cells left out.
    """

    images: CellImages
    places: list[int]
    labels: list[int]
    subjects: list[str | None]
    unreadable: list[str]
    augmentations: tuple[ImageAugmentation, ...]
    mixing: Mixing | None
    seed: int

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, position, index = key
        pixels = self.images[self.places[index]].transpose(2, 0, 1)
        image = torch.from_numpy(np.ascontiguousarray(pixels))  # (3, S, S)
        for augmentation in self.augmentations:
            image = augmentation.augment(image, (self.seed, epoch, position))
        return image, self.labels[index]

    def __getitems__(self, keys: Sequence[Key]) -> Sequence[tuple[Tensor, int | Tensor]]:
        """A batch, as torch's loader asks for it: what mixes images must see them together."""
        cells = [self[key] for key in keys]
        if self.mixing is None:
            return cells
        images, labels = zip(*cells, strict=True)
        return self.mixing.mix(images, labels, [(self.seed, epoch, position) for epoch, position, _ in keys])


class EpochSampler(Sampler[Key]):
    """The order of an epoch: all cells once shuffled, or as many drawn with weights.

    `weights` (N,) are the relative frequencies of the cells, None for each exactly once. Where several processes train,
    each takes its share of a shuffled epoch; without shuffling each takes all, so that all see the same validation, and
    with `alone` this one does, whatever the others do.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        weights: np.ndarray | None = None,
        *,
        shuffle: bool = True,
        alone: bool = False,
    ) -> None:
        self.count, self.seed, self.weights, self.shuffle, self.alone = count, seed, weights, shuffle, alone
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; Lightning calls this before each, and after a resume with the right one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self._processes()[1])

    def __iter__(self) -> Iterator[Key]:
        rank, world = self._processes()
        padded = np.resize(self._order(), len(self) * world)  # every process takes as many steps
        for position in range(rank, len(padded), world):
            yield self.epoch, position, int(padded[position])

    def _processes(self) -> tuple[int, int]:
        """This process's rank, and how many share the epoch out."""
        if self.shuffle and not self.alone and distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def _order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.count)
        generator = np.random.default_rng((self.seed, self.epoch))
        if self.weights is None:
            return generator.permutation(self.count)
        return generator.choice(self.count, self.count, p=self.weights / self.weights.sum())


def resolve_geometry(recipe: Recipe, manifest: Manifest) -> Geometry:
    """The geometry of a recipe for a source: `auto` is the centre crop for C-NMC and a resize otherwise."""
    crop_mode = recipe.data.crop_mode
    if crop_mode == "auto":
        crop_mode = "center_crop" if manifest.source == "cnmc" else "resize"
    return Geometry(crop_mode=crop_mode, crop=recipe.data.crop, size=recipe.data.size)


def labelled_cells(
    manifest: Manifest,
    part: Literal["train", "validation", "test"],
    classes: Sequence[str],
    recipe: Recipe,
    fit: Geometry,
    *,
    augment: bool = True,
) -> LabelledCells:
    """Decode the cells of a part once, in parallel, and leave out what cannot be read; training cells are augmented.

    Raises LymphoscopeError for a part without cells and a class without a readable image.
    """
    table = manifest.table[manifest.table["split"] == part]
    images = CellImages(table["path"].tolist(), fit, int(recipe.data.cache_gb * 2**30)).preload()
    places = [place for place in range(len(images)) if place not in images.errors]
    labels = [list(classes).index(table["label"].iloc[place]) for place in places]
    _check_classes(part, [name for number, name in enumerate(classes) if number not in set(labels)], places)
    return LabelledCells(
        images,
        places,
        labels,
        [table["subject"].iloc[place] for place in places],
        [f"{images.paths[place]}: {reason}" for place, reason in images.errors.items()],
        _augmentations(recipe) if augment and part == "train" else (),
        batch_mixing(recipe.comparison, recipe.comparison_settings, len(classes))
        if augment and part == "train"
        else None,
        recipe.seed,
    )


def _augmentations(recipe: Recipe) -> tuple[ImageAugmentation, ...]:
    compared = image_augmentation(recipe.comparison, recipe.comparison_settings, recipe.data.mean)
    base = BaseAugmentation(recipe.augmentation)
    return (base,) if compared is None else (base, compared)


def _check_classes(part: str, absent: list[str], places: list[int]) -> None:
    if not places:
        raise LymphoscopeError(f"the split has no readable {part} cells: raise split.{part} or bring more subjects")
    if absent and part == "train":
        raise LymphoscopeError(f"class {absent[0]} has no readable image in training: bring some, or drop the class")


def sampling_weights(how: str, labels: Sequence[int], subjects: Sequence[str | None]) -> np.ndarray | None:
    """Relative frequencies (N,) that make classes, or the subjects within each class too, equally likely."""
    if how == "shuffle":
        return None
    weights = 1.0 / _counts(labels)
    if how == "subject":
        pairs = list(zip(labels, subjects, strict=True))
        subjects_of_class = {label: len({pair for pair in pairs if pair[0] == label}) for label in set(labels)}
        weights = 1.0 / _counts(pairs) / np.array([subjects_of_class[label] for label in labels])
    return weights


def _counts(keys: Sequence[Hashable]) -> np.ndarray:
    """How often the key of each place occurs (N,)."""
    tally = Counter(keys)
    return np.array([tally[key] for key in keys], dtype=float)


def batches(
    cells: LabelledCells, sampler: EpochSampler, recipe: Recipe, *, train: bool
) -> DataLoader[tuple[Tensor, int | Tensor]]:
    """A loader of (images (B, 3, S, S) uint8, labels (B,)), or shares of the classes (B, K) where images are mixed.

    Training drops an incomplete last batch where there is another, since batch norm wants more than one image.
    """
    workers = _workers(recipe.data.workers)
    size = recipe.optimisation.batch_size
    return DataLoader(
        cells,
        batch_size=size if train else max(size, 32),
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=train and len(sampler) > size,
        pin_memory=torch.cuda.is_available(),
    )


def _workers(wanted: int | str) -> int:
    """On a small machine the network's own threads need the cores more than the loader does."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (0 if cores <= 2 else min(16, cores - 1)) if wanted == "auto" else int(wanted)
