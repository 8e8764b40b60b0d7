"""Stacked heads compute what each head computes alone, and what the method's networks compute."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.method import WTDFN, PlainNetwork, predict_ternary
from lymphoscope.training import Recipe, load_recipe
from lymphoscope.training.batches import load_cells, resolve_preparation
from lymphoscope.training.frozen_heads import FrozenCells, HeadTask, StackedHeads, predict_heads, train_heads

CPU = torch.device("cpu")
OVERRIDES = ("optimisation.optimiser=adamw", "optimisation.learning_rate=0.01", "optimisation.sampling=class")


class SmallBackbone(nn.Module):
    """Two fixed convolutions: (B, 3, S, S) -> (B, 6, S/4, S/4)."""

    channels = 6

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 6, 3, 2, 1), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features


@pytest.fixture(scope="module")
def backbone() -> SmallBackbone:
    return SmallBackbone().requires_grad_(False).eval()


@pytest.fixture(scope="module")
def recipe(tiny: tuple[str, ...]) -> Recipe:
    return load_recipe("quick", [*tiny, *OVERRIDES])


@pytest.fixture(scope="module")
def cells(tiny_manifest: Manifest, recipe: Recipe, backbone: SmallBackbone) -> FrozenCells:
    every = tiny_manifest.with_table(tiny_manifest.table.assign(split="train"))
    loaded = load_cells(every, "train", recipe, resolve_preparation(recipe, every))
    return FrozenCells(loaded, recipe, backbone, 2, CPU)


TASKS = [
    HeadTask(np.arange(40), np.arange(40, 60), 0),
    HeadTask(np.arange(20, 60), np.arange(15), 1),
    HeadTask(np.r_[0:20, 40:60], np.arange(20, 40), 2),
]


def unstack(heads: StackedHeads, index: int, backbone: SmallBackbone, maps: int) -> WTDFN:
    """One head as a network of the method."""
    network = WTDFN(backbone, heads.num_classes, maps)
    rows, classes = slice(index * maps, (index + 1) * maps), slice(index * 2, (index + 1) * 2)
    convolution, norm = network.attention[0], network.attention[1]
    with torch.no_grad():
        convolution.weight.copy_(heads.convolution.weight[rows])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).copy_(getattr(heads.norm, name)[rows])
        network.classifier.weight.copy_(heads.weight[classes])
        network.classifier.bias.copy_(heads.bias[classes])
    return network.eval()


def test_a_trained_head_predicts_like_the_network_of_the_method(
    cells: FrozenCells, recipe: Recipe, backbone: SmallBackbone
) -> None:
    heads = train_heads(cells, TASKS, recipe, 2)
    predicted = predict_heads(heads, cells, TASKS, recipe)
    for index, task in enumerate(TASKS):
        network = unstack(heads, index, backbone, recipe.model.maps)
        images = cells.normalise(cells.clean[task.test])
        expected = predict_ternary(network, images)
        torch.testing.assert_close(predicted[index], expected.probabilities, rtol=1e-4, atol=1e-4)


def test_initial_weights_are_those_of_the_method_under_the_same_seed(backbone: SmallBackbone, recipe: Recipe) -> None:
    heads = StackedHeads([3, 4], 6, 2, recipe)
    torch.manual_seed(4)
    network = WTDFN(backbone, 2, recipe.model.maps)
    expected = unstack(heads, 1, backbone, recipe.model.maps)
    assert torch.equal(network.attention[0].weight, expected.attention[0].weight)
    assert torch.equal(network.classifier.weight, expected.classifier.weight)


@pytest.mark.parametrize("streams", [("raw",), ("raw", "crop", "erase")])
def test_a_head_trains_alone_as_among_others(cells: FrozenCells, recipe: Recipe, streams: tuple[str, ...]) -> None:
    together = predict_heads(train_heads(cells, TASKS, recipe, 2, streams), cells, TASKS, recipe, streams)  # type: ignore[arg-type]
    alone = predict_heads(train_heads(cells, TASKS[1:2], recipe, 2, streams), cells, TASKS[1:2], recipe, streams)  # type: ignore[arg-type]
    torch.testing.assert_close(together[1], alone[0], rtol=1e-3, atol=1e-3, equal_nan=True)


def test_the_plain_head_is_average_pooling_and_a_linear_layer(
    cells: FrozenCells, tiny: tuple[str, ...], backbone: SmallBackbone
) -> None:
    plain = load_recipe("quick", [*tiny, *OVERRIDES, "streams=raw"])
    heads = train_heads(cells, TASKS[:1], plain, 2, ("raw",))
    network = PlainNetwork(backbone, 2).eval()
    network.classifier.load_state_dict({"weight": heads.weight.detach(), "bias": heads.bias.detach()})
    predicted = predict_heads(heads, cells, TASKS[:1], plain, ("raw",))[0]
    with torch.no_grad():
        expected = network(cells.normalise(cells.clean[TASKS[0].test])).softmax(dim=1)
    torch.testing.assert_close(predicted[0], expected, rtol=1e-4, atol=1e-4)
    assert predicted[1:].isnan().all()


@pytest.mark.slow
def test_heads_learn_and_mixed_images_work(
    tiny_manifest: Manifest, tiny: tuple[str, ...], backbone: SmallBackbone, tmp_path: Path
) -> None:
    mixing = load_recipe("quick", [*tiny, *OVERRIDES, "comparison=mix_up", "optimisation.epochs=12"])
    every = tiny_manifest.with_table(tiny_manifest.table.assign(split="train"))
    loaded = load_cells(every, "train", mixing, resolve_preparation(mixing, every))
    cells = FrozenCells(loaded, mixing, backbone, 2, CPU)
    assert cells.view_features is None
    probabilities = predict_heads(train_heads(cells, TASKS, mixing, 2, ("raw",)), cells, TASKS, mixing, ("raw",))
    correct = [
        (each[0].argmax(dim=1) == cells.labels[task.test]).float().mean()
        for each, task in zip(probabilities, TASKS, strict=True)
    ]
    assert min(correct) > 0.8


def test_heads_learn_from_partial_labels(cells: FrozenCells, recipe: Recipe) -> None:
    labels = np.array(cells.cells.labels)
    possible = np.eye(3, dtype=bool)[labels]
    possible[::2, 2] = True  # every second cell may also be of a third class, which no cell has
    partly = copy.copy(cells)
    partly.cells = replace(
        cells.cells, possible=possible, labels=[-1 if row.sum() > 1 else row.argmax() for row in possible]
    )
    partly.labels = torch.tensor(possible)
    longer = recipe.model_copy(update={"optimisation": recipe.optimisation.model_copy(update={"epochs": 12})})
    heads = train_heads(partly, TASKS, longer, 3, ("raw",))
    for task, found in zip(TASKS, predict_heads(heads, partly, TASKS, longer, ("raw",)), strict=True):
        assert (found[0].argmax(dim=1).numpy() == labels[task.test]).mean() > 0.8


def test_a_range_of_thresholds_is_refused(cells: FrozenCells, tiny: tuple[str, ...]) -> None:
    ranges = load_recipe("quick", [*tiny, "attention.crop_threshold=[0.4, 0.6]"])
    with pytest.raises(LymphoscopeError, match="give one number each"):
        train_heads(cells, TASKS, ranges, 2)
