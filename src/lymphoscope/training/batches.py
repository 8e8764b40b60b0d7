"""Cells -> batches. Every random draw depends on (seed, epoch, position) only, for any number of workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler

from lymphoscope.augment import BaseAugmentation, ImageAugmentation, Mixing, batch_mixing, image_augmentation
from lymphoscope.data import (
    NO_STAIN_METHOD,
    CellImages,
    CellPreparation,
    Geometry,
    Manifest,
    measure_reference,
    possible_classes,
)
from lymphoscope.errors import LymphoscopeError
from lymphoscope.training.hardware import resolve_workers
from lymphoscope.training.recipe import Recipe

Key = tuple[int, int, int]
"""Epoch, position in the epoch, index of the cell."""

Part = Literal["train", "validation", "test"]

NO_LABEL = -1
"""Class index of a cell with a partial label."""


@dataclass(frozen=True)
class LabelledCells(Dataset[tuple[Tensor, int | Tensor]]):
    """The readable cells of one part of a split: key -> uint8 image (3, S, S), augmented in training, and class index.

    `augmentations` change one image each, in their order. `mixing` mixes the images of a batch; the labels are then
    class probabilities (K,). `rows` are the indices of the cells in `images`; `labels` and `subjects` are in the same
    order. `unreadable` are the errors of the cells that are left out. Where cells have partial labels, `possible`
    (N, K) are the classes that each cell may be, which are then given in place of class indices, and `labels` of these
    cells are NO_LABEL.
    """

    images: CellImages
    rows: list[int]
    labels: list[int]
    subjects: list[str | None]
    unreadable: list[str]
    augmentations: tuple[ImageAugmentation, ...]
    mixing: Mixing | None
    seed: int
    possible: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Key) -> tuple[Tensor, int | Tensor]:
        epoch, position, index = key
        pixels = self.images[self.rows[index]].transpose(2, 0, 1)
        image = torch.from_numpy(np.ascontiguousarray(pixels))  # (3, S, S)
        for augmentation in self.augmentations:
            image = augmentation.augment(image, (self.seed, epoch, position))
        return image, self.labels[index] if self.possible is None else torch.from_numpy(self.possible[index])

    def __getitems__(self, keys: Sequence[Key]) -> Sequence[tuple[Tensor, int | Tensor]]:
        """Return the cells of a batch, as torch's loader asks for them: mixing needs them together."""
        cells = [self[key] for key in keys]
        if self.mixing is None:
            return cells
        images, labels = zip(*cells, strict=True)
        return self.mixing.mix(images, labels, [(self.seed, epoch, position) for epoch, position, _ in keys])

    def without_augmentation(self) -> Self:
        """Return the same cells without augmentation and mixing."""
        return replace(self, augmentations=(), mixing=None)

    def with_labels(self) -> Self:
        """Return the cells whose class is known."""
        chosen = [index for index, label in enumerate(self.labels) if label != NO_LABEL]
        return replace(
            self,
            rows=[self.rows[index] for index in chosen],
            labels=[self.labels[index] for index in chosen],
            subjects=[self.subjects[index] for index in chosen],
            possible=None,
        )


class EpochSampler(Sampler[Key]):
    """The order of the cells in an epoch: all once, shuffled, or as many drawn with weights.

    `weights` (N,) are relative frequencies, None for each cell exactly once. If several processes train, each takes its
    share of a shuffled epoch, or all of it with `alone`. Without shuffling each takes all cells, so that all processes
    compute the same validation metrics.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        weights: NDArray[np.float64] | None = None,
        *,
        shuffle: bool = True,
        alone: bool = False,
    ) -> None:
        self.count, self.seed, self.weights, self.shuffle, self.alone = count, seed, weights, shuffle, alone
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch; Lightning calls this before each one, after a resume with the right number."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self._rank_and_world()[1])

    def __iter__(self) -> Iterator[Key]:
        rank, world = self._rank_and_world()
        padded = np.resize(self._order(), len(self) * world)  # every process takes as many steps
        for position in range(rank, len(padded), world):
            yield self.epoch, position, int(padded[position])

    def _rank_and_world(self) -> tuple[int, int]:
        """Return the rank of this process and the number of processes that share an epoch."""
        if self.shuffle and not self.alone and distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def _order(self) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(self.count)
        generator = np.random.default_rng((self.seed, self.epoch))
        if self.weights is None:
            return generator.permutation(self.count)
        return generator.choice(self.count, self.count, p=self.weights / self.weights.sum())


def resolve_geometry(recipe: Recipe, manifest: Manifest) -> Geometry:
    """Return the geometry of a recipe for a source: `auto` is the centre crop for C-NMC and a resize otherwise."""
    mode = recipe.data.crop_mode
    if mode == "auto":
        mode = "center_crop" if manifest.source == "cnmc" else "resize"
    return Geometry(crop_mode=mode, crop=recipe.data.crop, size=recipe.data.size)


def resolve_preparation(recipe: Recipe, manifest: Manifest) -> CellPreparation:
    """Return how cells are prepared: the geometry, and the stain normalisation with the training cells as reference.

    Raises LymphoscopeError if no training cell can be measured.
    """
    geometry = resolve_geometry(recipe, manifest)
    if recipe.data.stain == NO_STAIN_METHOD:
        return CellPreparation(geometry)
    paths = manifest.table.loc[manifest.table["split"] == "train", "path"].tolist()
    images = CellImages(paths, CellPreparation(geometry), int(recipe.data.cache_gb * 2**30)).preload()
    readable = (images[index] for index in range(len(images)) if index not in images.errors)
    return CellPreparation(geometry, measure_reference(recipe.data.stain, readable))


def load_cells(
    manifest: Manifest, part: Part, recipe: Recipe, preparation: CellPreparation, *, augment: bool = True
) -> LabelledCells:
    """Decode the cells of a part once, in parallel, without those that cannot be read; training cells are augmented.

    Raises LymphoscopeError for a part without cells, and for a class without a readable training image.
    """
    table = manifest.table[manifest.table["split"] == part]
    images = CellImages(table["path"].tolist(), preparation, int(recipe.data.cache_gb * 2**30)).preload()
    rows = [row for row in range(len(images)) if row not in images.errors]
    indices = {name: index for index, name in enumerate(manifest.classes)}
    labels = [indices.get(table["label"].iloc[row], NO_LABEL) for row in rows]
    missing = [name for name, index in indices.items() if index not in labels]
    if not rows:
        raise LymphoscopeError(f"the split has no readable {part} cells: increase split.{part} or add subjects")
    if missing and part == "train":
        raise LymphoscopeError(f"class {missing[0]} has no readable training image: add some, or remove the class")
    cells = LabelledCells(
        images=images,
        rows=rows,
        labels=labels,
        subjects=[table["subject"].iloc[row] for row in rows],
        unreadable=[f"{images.paths[row]}: {reason}" for row, reason in images.errors.items()],
        augmentations=_augmentations(recipe),
        mixing=batch_mixing(recipe.comparison, recipe.comparison_settings, len(manifest.classes)),
        seed=recipe.seed,
        possible=possible_classes(table.iloc[rows], manifest.classes),
    )
    return cells if augment and part == "train" else cells.without_augmentation()


def _augmentations(recipe: Recipe) -> tuple[ImageAugmentation, ...]:
    comparison = image_augmentation(recipe.comparison, recipe.comparison_settings, recipe.data.mean)
    base = BaseAugmentation(recipe.augmentation)
    return (base,) if comparison is None else (base, comparison)


def sampling_weights(
    sampling: Literal["shuffle", "class", "subject"],
    labels: Sequence[int],
    subjects: Sequence[str | None],
    possible: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64] | None:
    """Return relative frequencies (N,) that make classes, or also the subjects within each class, equally likely.

    A cell with a partial label (`possible`, (N, K)) that may be of n classes counts as 1 / n of a cell of each.
    """
    if sampling == "shuffle":
        return None
    shares = class_shares(labels, possible)
    owners = list(subjects) if sampling == "subject" else [None] * len(labels)
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    rows = [numbers[owner] for owner in owners]
    cells = np.zeros((len(numbers), shares.shape[1]))  # of each owner and class
    np.add.at(cells, rows, shares)
    owners_of_class = (cells > 0).sum(axis=0)
    weights = np.divide(shares, cells[rows], out=np.zeros_like(shares), where=shares > 0)  # (N, K)
    frequencies: NDArray[np.float64] = (weights / np.maximum(owners_of_class, 1)).sum(axis=1)
    return frequencies


def class_shares(labels: Sequence[int], possible: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return how much each cell counts for each class (N, K): 1 for its label, or 1 / n for each of n possible ones."""
    if possible is None:
        return np.eye(max(labels) + 1)[labels]
    shares: NDArray[np.float64] = possible / possible.sum(axis=1, keepdims=True)
    return shares


def create_loader(
    cells: LabelledCells, sampler: EpochSampler, recipe: Recipe, *, train: bool
) -> DataLoader[tuple[Tensor, int | Tensor]]:
    """Create a loader of images (B, 3, S, S) uint8 and labels (B,), or (B, K) of mixed images and partial labels.

    In training an incomplete last batch is left out if there is another, because batch norm needs more than one image.
    """
    workers = resolve_workers(recipe.data.workers)
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


def normalise_images(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Images (B, 3, S, S) uint8 -> (image / 255 - mean) / std, float32, channels last; mean and std (3, 1, 1)."""
    # Changing the memory format of bytes moves a quarter of the memory that it would for floats.
    scaled = images.contiguous(memory_format=torch.channels_last).float()
    return scaled.mul_(1.0 / (255.0 * std)).sub_(mean / std)


def channel_values(values: Sequence[float], device: torch.device | None = None) -> Tensor:
    """Return one value per channel as a tensor (3, 1, 1)."""
    return torch.tensor(values, device=device).view(3, 1, 1)
