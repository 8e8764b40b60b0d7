"""Many heads on one frozen backbone, trained together: every fold and seed of a comparison in one process.

The backbone is the same for all heads and never changes, so the features of a pool of augmented views are computed
once. Only crops and erased images, which depend on the maps of a head, pass through the backbone in training. Weights
of H heads are stacked along rows, so that the layers and the optimiser compute for each head what they would compute
for it alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.augment import Mixing
from lymphoscope.errors import LymphoscopeError
from lymphoscope.method import (
    BilinearAttentionPooling,
    attention_crop,
    attention_erase,
    draw_maps,
    fill_values,
    test_map,
)
from lymphoscope.model_file import TestTime
from lymphoscope.training.batches import LabelledCells, normalise_images, sampling_weights
from lymphoscope.training.losses import cross_entropy
from lymphoscope.training.optimiser import create_optimiser, learning_rate_factor
from lymphoscope.training.recipe import AttentionRecipe, Recipe
from lymphoscope.vocabulary import STREAMS, Stream

Extractor = Callable[[Tensor], Tensor]
"""The frozen backbone: normalised images (B, 3, S, S) -> features (B, C, h, w), without gradients."""

# More would not be faster on a processor, and takes memory.
_IMAGES_AT_ONCE = {"cpu": 64, "cuda": 512}


@dataclass(frozen=True)
class HeadTask:
    """One head: the indices (n,) of the cells that train it, those that test it, and the seed of its randomness."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    seed: int


class StackedHeads(nn.Module):
    """H heads of `WTDFN` (`num_maps` maps) or, with `num_maps` None, of `PlainNetwork`.

    Each head has the initial weights that torch's layers have under its seed.
    """

    def __init__(self, seeds: Sequence[int], channels: int, num_classes: int, recipe: Recipe) -> None:
        super().__init__()
        heads, model = len(seeds), recipe.model
        self.num_heads, self.num_classes = heads, num_classes
        self.num_maps = model.maps if recipe.streams == "ternary" else None
        inputs = channels if self.num_maps is None else channels * self.num_maps
        if self.num_maps is not None:
            self.convolution = nn.Conv2d(heads * channels, heads * self.num_maps, 1, groups=heads, bias=False)
            self.norm = nn.BatchNorm2d(heads * self.num_maps)
            self.pooling = BilinearAttentionPooling(model.signed_sqrt, model.l2, model.scale)
        self.weight = nn.Parameter(torch.empty(heads * num_classes, inputs))
        self.bias = nn.Parameter(torch.empty(heads * num_classes))
        for index, seed in enumerate(seeds):
            self._initialise(index, seed, channels, inputs)

    @torch.no_grad()
    def _initialise(self, index: int, seed: int, channels: int, inputs: int) -> None:
        torch.manual_seed(seed)
        if self.num_maps is not None:
            rows = slice(index * self.num_maps, (index + 1) * self.num_maps)
            self.convolution.weight[rows] = nn.Conv2d(channels, self.num_maps, 1, bias=False).weight
        classifier = nn.Linear(inputs, self.num_classes)
        rows = slice(index * self.num_classes, (index + 1) * self.num_classes)
        self.weight[rows], self.bias[rows] = classifier.weight, classifier.bias

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (H, B, C, h, w), a batch per head -> logits (H, B, K) and maps (H, B, M, h, w), None without."""
        if self.num_maps is None:
            return self._classify(features.mean(dim=(3, 4))), None
        heads, batch = features.shape[:2]
        side_by_side = features.transpose(0, 1).flatten(1, 2)  # (B, H*C, h, w)
        stacked = torch.relu(self.norm(self.convolution(side_by_side)))  # (B, H*M, h, w)
        maps = stacked.view(batch, heads, self.num_maps, *stacked.shape[2:]).transpose(0, 1)  # (H, B, M, h, w)
        vectors = self.pooling(features.flatten(0, 1), maps.flatten(0, 1))  # (H*B, M*C)
        return self._classify(vectors.view(heads, batch, -1)), maps

    def _classify(self, vectors: Tensor) -> Tensor:
        weight = self.weight.view(self.num_heads, self.num_classes, -1)  # (H, K, D)
        return torch.baddbmm(self.bias.view(self.num_heads, 1, self.num_classes), vectors, weight.mT)


class FrozenCells:
    """The cells (N) of a comparison on a device: V augmented views of each, and the features of these views.

    `clean` are the cells as at test time. With a `mixing` the images of a batch are mixed when they are drawn, and
    their features cannot be stored.
    """

    def __init__(
        self, cells: LabelledCells, recipe: Recipe, extractor: Extractor, views: int, device: torch.device
    ) -> None:
        self.cells, self.extractor, self.device = cells, extractor, device
        # (N,), or (N, K) with partial labels
        self.labels = torch.tensor(cells.labels if cells.possible is None else cells.possible, device=device)
        self._mean, self._std = (
            torch.tensor(each, device=device).view(3, 1, 1) for each in (recipe.data.mean, recipe.data.std)
        )
        plain = cells.without_augmentation()
        count = range(len(cells))
        self.clean = torch.stack([plain[0, index, index][0] for index in count]).to(device)  # (N, 3, S, S) uint8
        self.views = torch.stack(
            [torch.stack([cells[view, index, index][0] for index in count]) for view in range(views)]
        ).to(device)  # (V, N, 3, S, S) uint8
        self.clean_features = self.features(self.clean)
        self.mixing: Mixing | None = cells.mixing
        self.view_features = None if self.mixing else torch.stack([self.features(view) for view in self.views])

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) uint8 -> normalised float32."""
        return normalise_images(images, self._mean, self._std)

    def features(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) uint8 -> features (B, C, h, w), some at a time."""
        return torch.cat([self.extractor(self.normalise(images[part])) for part in self.parts(len(images))])

    def parts(self, count: int) -> Iterator[slice]:
        """Slices of so many images as pass through the backbone at once."""
        size = _IMAGES_AT_ONCE.get(self.device.type, 64)
        return (slice(start, start + size) for start in range(0, count, size))

    def mixed(self, view: NDArray[np.int64], index: NDArray[np.int64], seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Mixed images (B, 3, S, S) uint8 and class probabilities (B, K) of one batch of one head."""
        assert self.mixing is not None  # noqa: S101  # asked by the caller
        images = list(self.views[view, index].cpu())
        labels = [self.cells.labels[each] for each in index]
        mixed = self.mixing.mix(images, labels, [(*seed, position) for position in range(len(images))])
        pixels, probabilities = (torch.stack(each).to(self.device) for each in zip(*mixed, strict=True))
        return pixels, probabilities


def train_heads(
    cells: FrozenCells,
    tasks: Sequence[HeadTask],
    recipe: Recipe,
    num_classes: int,
    streams: Sequence[Stream] = STREAMS,
) -> StackedHeads:
    """Train one head per task for the epochs of the recipe, minimising the mean loss of `streams` (section 2.3).

    All heads take the same number of steps per epoch, those of the mean size of their training sets.
    """
    channels = cells.clean_features.shape[1]
    heads = StackedHeads([task.seed for task in tasks], channels, num_classes, recipe).to(cells.device).train()
    optimiser = create_optimiser(heads, recipe.optimisation)
    batch_size = recipe.optimisation.batch_size
    steps = max(1, round(float(np.mean([len(task.train) for task in tasks])) / batch_size))
    for epoch in range(recipe.optimisation.epochs):
        orders = np.stack([_order(cells.cells, task, epoch, steps * batch_size, recipe) for task in tasks])
        views = np.stack([_draw_views(task, epoch, steps * batch_size, len(cells.views)) for task in tasks])
        for step in range(steps):
            rate = recipe.optimisation.learning_rate
            for group in optimiser.param_groups:
                group["lr"] = rate * learning_rate_factor(recipe.optimisation, epoch + step / steps)
            chosen = slice(step * batch_size, (step + 1) * batch_size)
            seeds = [(task.seed, epoch, step) for task in tasks]
            losses = list(_losses(heads, cells, recipe, views[:, chosen], orders[:, chosen], seeds, streams))
            optimiser.zero_grad()
            torch.autograd.backward(torch.stack(losses).mean(dim=0).sum())
            optimiser.step()
    return heads.eval()


def _losses(
    heads: StackedHeads,
    cells: FrozenCells,
    recipe: Recipe,
    views: NDArray[np.int64],
    index: NDArray[np.int64],
    seeds: Sequence[tuple[int, ...]],
    streams: Sequence[Stream],
) -> Iterator[Tensor]:
    """Yield the loss (H,) of each stream; views and index (H, B) choose the images of each head."""
    if cells.view_features is not None:
        labels = cells.labels[index]  # (H, B), or (H, B, K) with partial labels
        features = cells.view_features[views, index]  # (H, B, C, h, w)
    else:
        batches = [cells.mixed(view, each, seed) for view, each, seed in zip(views, index, seeds, strict=True)]
        labels = torch.stack([probabilities for _, probabilities in batches])  # (H, B, K)
        features = _per_head(cells.features(torch.cat([pixels for pixels, _ in batches])), index)
    logits, maps = heads(features)
    smoothing = recipe.optimisation.label_smoothing
    if "raw" in streams or maps is None:
        yield _loss_per_head(logits, labels, smoothing)
    if maps is None or not set(streams) - {"raw"}:
        return
    guide = torch.cat([_draw(each, recipe, seed) for each, seed in zip(maps.detach(), seeds, strict=True)])
    for stream in ("crop", "erase"):
        if stream in streams:
            images = (cells.views[views.ravel()[part], index.ravel()[part]] for part in cells.parts(index.size))
            attended = _attended_features(cells, _attended(recipe, recipe.attention), images, guide, stream)
            yield _loss_per_head(heads(_per_head(attended, index))[0], labels, smoothing)


@torch.no_grad()
def predict_heads(
    heads: StackedHeads,
    cells: FrozenCells,
    tasks: Sequence[HeadTask],
    recipe: Recipe,
    streams: Sequence[Stream] = STREAMS,
) -> list[Tensor]:
    """Predict the test cells of each task with Algorithm 1 -> probabilities (3, n, K) per head.

    Streams that are not in `streams` are NaN.
    """
    longest = max(len(task.test) for task in tasks)
    index = np.stack([np.resize(task.test, longest) for task in tasks])  # (H, L), repeated where a head has fewer
    settings = _attended(recipe, recipe.test_time)
    probs = torch.full((len(STREAMS), *index.shape, heads.num_classes), torch.nan, device=cells.device)
    for start in range(0, longest, 16):
        part = index[:, start : start + 16]
        logits, maps = heads(cells.clean_features[part])
        probs[0, :, start : start + 16] = logits.softmax(dim=2)
        if maps is None:
            continue
        guide = test_map(maps.flatten(0, 1), recipe.test_time.map)
        for stream in ("crop", "erase"):
            if stream in streams:
                images = (cells.clean[part.ravel()[chunk]] for chunk in cells.parts(part.size))
                attended = _attended_features(cells, settings, images, guide, stream)
                probs[STREAMS.index(stream), :, start : start + 16] = heads(_per_head(attended, part))[0].softmax(dim=2)
    return [probs[:, head, : len(task.test)] for head, task in enumerate(tasks)]


@dataclass(frozen=True)
class _Attended:
    """How a map crops and erases: fixed thresholds, padding, and the normalised colour of erased pixels."""

    crop_threshold: float
    crop_padding: float
    erase_threshold: float
    fill: tuple[float, ...]


def _attended(recipe: Recipe, settings: AttentionRecipe | TestTime) -> _Attended:
    crop, erase = settings.crop_threshold, settings.erase_threshold
    if isinstance(crop, tuple) or isinstance(erase, tuple):
        raise LymphoscopeError("attention.crop_threshold and erase_threshold: give one number each, not a range")
    fill = fill_values(settings.fill, recipe.data.mean, recipe.data.std)
    return _Attended(crop, settings.crop_padding, erase, fill)


def _attended_features(
    cells: FrozenCells, settings: _Attended, images: Iterator[Tensor], guide: Tensor, stream: str
) -> Tensor:
    """Features (R, C, h, w) of crops or erased images; `images` yields (r, 3, S, S) uint8, R in all, as `guide`."""
    features, done = [], 0
    for pixels in images:
        normalised, maps = cells.normalise(pixels), guide[done : done + len(pixels)]
        done += len(pixels)
        if stream == "crop":
            changed, _ = attention_crop(normalised, maps, settings.crop_threshold, settings.crop_padding)
        else:
            changed = attention_erase(normalised, maps, settings.erase_threshold, settings.fill)
        features.append(cells.extractor(changed))
    return torch.cat(features)


def _draw(maps: Tensor, recipe: Recipe, seed: tuple[int, ...]) -> Tensor:
    """Draw the guide maps (B, h, w) of one head from its maps (B, M, h, w), with its own random numbers."""
    number = int(np.random.SeedSequence((*seed, 2)).generate_state(1)[0])
    return draw_maps(maps, recipe.attention.map, torch.Generator(maps.device).manual_seed(number))


def _per_head(features: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Features (H*B, C, h, w) -> (H, B, C, h, w), as index (H, B)."""
    return features.view(*index.shape, *features.shape[1:])


def _loss_per_head(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return torch.stack(
        [cross_entropy(each, label, None, smoothing) for each, label in zip(logits, labels, strict=True)]
    )


def _order(cells: LabelledCells, task: HeadTask, epoch: int, count: int, recipe: Recipe) -> NDArray[np.int64]:
    """The cells (count,) of an epoch of one head."""
    labels, subjects = ([values[index] for index in task.train] for values in (cells.labels, cells.subjects))
    possible = None if cells.possible is None else cells.possible[task.train]
    weights = sampling_weights(recipe.optimisation.sampling, labels, subjects, possible)
    generator = np.random.default_rng((task.seed, epoch))
    if weights is None:
        return np.resize(generator.permutation(task.train), count)
    return generator.choice(task.train, count, p=weights / weights.sum())


def _draw_views(task: HeadTask, epoch: int, count: int, views: int) -> NDArray[np.int64]:
    return np.random.default_rng((task.seed, epoch, 1)).integers(0, views, count)
