"""Saliency maps of networks that depend on a known region, and Grad-CAM against a computation by hand."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.inference import load
from lymphoscope.model_file import Architecture, Description, Preprocessing, TestTime
from lymphoscope.robustness.saliency_curves import areas, deletion_insertion
from lymphoscope.robustness.saliency_model import SaliencyModel, saliency_model_of

SIDE, COARSE = 32, 8
SPOT = (slice(4, 16), slice(12, 24))
"""The region that the toy network depends on: whole coarse pixels 1-3 down and 3-5 across."""


class Toy(nn.Module):
    """A linear network: features are coarse means of the colours, the logit a weighted sum over a known region."""

    def __init__(self, attention: Tensor | None = None) -> None:
        super().__init__()
        self.backbone = nn.AvgPool2d(SIDE // COARSE)
        where = torch.zeros(COARSE, COARSE)
        where[1:4, 3:6] = 1.0
        self.weights = nn.Parameter(torch.tensor([[0.5, -0.2, 0.3], [-0.5, 0.2, -0.3]]))  # (K, C)
        self.register_buffer("where", where)
        self.attention = where if attention is None else attention

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.backbone(images)  # (B, 3, h, w)
        seen = (features * self.where).mean(dim=(2, 3)) * 8  # (B, C)
        maps = self.attention.expand(len(images), 1, COARSE, COARSE)
        return seen @ self.weights.T, maps, features.mean(dim=(2, 3))


def toy_description(fill: str = "mean") -> Description:
    return Description(
        name="toy",
        architecture=Architecture(backbone="test_resnet"),
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="resize", size=SIDE, mean=(0.5, 0.4, 0.6), std=(0.2, 0.25, 0.3)),
        test_time=TestTime.model_validate({"fill": fill}),
    )


def a_cell(seed: int = 0) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).integers(100, 156, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels[SPOT] = (240, 90, 230)
    return pixels


def test_true_map_of_a_network_is_best_and_its_inverse_worst() -> None:
    model = SaliencyModel(Toy(), toy_description())
    saliency = model.saliency_of(a_cell())
    generator = np.random.default_rng(0)
    maps = [saliency.attention, -saliency.attention, *(generator.random((SIDE, SIDE)) for _ in range(8))]
    found = [deletion_insertion(partial(model.score_masked, saliency), saliency_map, 8, 0) for saliency_map in maps]
    deletion, insertion = (np.array([float(areas(each[kind])) for each in found]) for kind in (0, 1))
    assert deletion.argmin() == insertion.argmax() == 0
    assert deletion.argmax() == insertion.argmin() == 1


def test_grad_cam_of_a_linear_network_equals_a_computation_by_hand() -> None:
    network = Toy()
    saliency = SaliencyModel(network, toy_description()).saliency_of(a_cell())
    with torch.no_grad():
        features = network.backbone(saliency.image[None])[0]  # (3, h, w)
        # The gradient of a logit is weight * where * 8 / (h * w); its mean over (h, w) weights each channel.
        channels = network.weights[saliency.predicted] * network.where.mean() * 8 / COARSE**2
        by_hand = (channels[:, None, None] * features).sum(dim=0).relu()
        large = nn.functional.interpolate(by_hand[None, None], (SIDE, SIDE), mode="bilinear")[0, 0]
    np.testing.assert_allclose(saliency.grad_cam, (large - large.min()) / (large.max() - large.min()), atol=1e-5)
    assert saliency.grad_cam[SPOT].mean() > 4 * np.delete(saliency.grad_cam, np.arange(4, 16), axis=0).mean()


def test_score_is_the_softmax_of_the_predicted_class() -> None:
    network = Toy()
    model = SaliencyModel(network, toy_description())
    saliency = model.saliency_of(a_cell())
    nothing, everything = np.zeros((1, SIDE, SIDE), dtype=bool), np.ones((1, SIDE, SIDE), dtype=bool)
    with torch.no_grad():
        scores = network.forward_with_features(saliency.image[None])[0].softmax(dim=1)[0]
    assert saliency.predicted == int(scores.argmax()) == 0
    assert model.score_masked(saliency, nothing)[0] == pytest.approx(float(scores[0]))
    # With all pixels at the mean a linear network without bias is undecided.
    assert model.score_masked(saliency, everything)[0] == pytest.approx(0.5)


def test_masked_pixels_get_the_fill_of_the_model() -> None:
    network, black = Toy(), toy_description("black")
    model = SaliencyModel(network, black)
    painted = model.score_masked(model.saliency_of(a_cell()), np.ones((1, SIDE, SIDE), dtype=bool))[0]
    alone = SaliencyModel(network, toy_description()).saliency_of(np.zeros((SIDE, SIDE, 3), dtype=np.uint8))
    with torch.no_grad():
        expected = network.forward_with_features(alone.image[None])[0].softmax(dim=1)[0, 0]
    assert painted == pytest.approx(float(expected))


def test_batched_scores_equal_single_scores(tiny_model: Path) -> None:
    loaded = load(tiny_model, device="cpu", runtime="torch")
    model = saliency_model_of(loaded)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    saliency = model.saliency_of(pixels)
    masks = np.random.default_rng(1).random((40, 64, 64)) < 0.3
    together = model.score_masked(saliency, masks)
    np.testing.assert_allclose(together, [model.score_masked(saliency, mask[None])[0] for mask in masks], atol=1e-5)
    raw = loaded.runtime.predict(pixels[None])
    assert model.score_masked(saliency, masks[:1] & False)[0] == pytest.approx(
        float(raw.probabilities[0, 0, saliency.predicted]), abs=1e-5
    )
    np.testing.assert_allclose(saliency.attention, loaded.runtime.explain(pixels[None]).maps[0], atol=1e-5)
