"""Algorithm 1 against its steps written out for one image at a time."""

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method import (
    WTDFN,
    PlainNetwork,
    TernaryPrediction,
    oriented_views,
    predict_ternary,
    test_map as guiding_map,
)
from lymphoscope.method.attention import attention_crop, attention_erase

SIZE = 24


class Spread(nn.Module):
    """Features (B, 4, h, w) that differ strongly between an image, its crop and its erased image."""

    channels = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 5, stride=4, padding=2)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layer(images).tanh()
        return features


def network_of(classes: int, seed: int = 0) -> WTDFN:
    torch.manual_seed(seed)
    network = WTDFN(Spread(), classes, num_maps=3).eval()
    nn.init.normal_(network.classifier.weight, std=0.2)
    with torch.no_grad():  # no class dominates: streams agree on some images and not on others
        network.classifier.bias -= network(some_images(60, seed))[0].mean(dim=0)
    return network


def some_images(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def by_hand(network: WTDFN, image: Tensor, which: Literal["mean", "max_energy"]) -> tuple[Tensor, Tensor]:
    """Probabilities (3, K) and box (4,) of one image (1, 3, H, W)."""
    with torch.no_grad():
        logits, maps = network(image)
        guide = guiding_map(maps, which)
        crop, box = attention_crop(image, guide, 0.6, 0.05)
        erased = attention_erase(image, guide, 0.4, (-1.0, 0.0, 1.0))
        streams = [logits, network(crop)[0], network(erased)[0]]
    return torch.cat([each.softmax(dim=1) for each in streams]), box[0]


@pytest.mark.parametrize("which", ["mean", "max_energy"])
def test_batches_equal_the_algorithm_image_by_image(which: Literal["mean", "max_energy"]) -> None:
    network, images = network_of(3), some_images(12)
    found = predict_ternary(
        network,
        images,
        map=which,
        crop_threshold=0.6,
        crop_padding=0.05,
        erase_threshold=0.4,
        fill=(-1.0, 0.0, 1.0),
    )
    for index in range(12):
        probabilities, box = by_hand(network, images[index : index + 1], which)
        torch.testing.assert_close(found.probabilities[:, index], probabilities, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(found.scores[index], probabilities.mean(dim=0), atol=1e-3, rtol=1e-3)
        votes = probabilities.argmax(dim=1)
        assert found.votes[:, index].tolist() == votes.tolist()
        assert found.boxes[index].tolist() == box.tolist()
        label = int(found.labels[index])
        assert found.agreement[index].item() == pytest.approx((votes == label).float().mean().item())
        assert (votes == label).sum() == np.bincount(votes.numpy()).max()
    assert found.maps.shape == (12, 6, 6)


@pytest.mark.parametrize("classes", range(2, 9))
@pytest.mark.parametrize("seed", range(3))
def test_lazy_voting_changes_no_label(classes: int, seed: int) -> None:
    network, images = network_of(classes, seed), some_images(60, seed)
    always = predict_ternary(network, images)
    skipping = predict_ternary(network, images, erase="on_disagreement")
    agree = always.votes[0] == always.votes[1]
    assert 0 < agree.sum() < len(agree)  # both branches run
    assert torch.equal(always.labels, skipping.labels)
    assert torch.equal(skipping.votes[2] == -1, agree)
    assert torch.equal(skipping.probabilities[2].isnan().all(dim=1), agree)
    torch.testing.assert_close(skipping.probabilities[2, ~agree], always.probabilities[2, ~agree], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(skipping.scores[agree], always.probabilities[:2, agree].mean(dim=0))
    torch.testing.assert_close(skipping.scores[~agree], always.scores[~agree], atol=1e-4, rtol=1e-3)
    assert (skipping.agreement[agree] == 1).all()


def test_the_erase_stream_does_not_run_when_all_images_agree() -> None:
    network = network_of(2)
    nn.init.zeros_(network.classifier.weight)
    passes: list[int] = []
    network.backbone.register_forward_hook(lambda *call: passes.append(len(call[1][0])))
    found = predict_ternary(network, some_images(5), erase="on_disagreement")
    assert passes == [5, 5]
    assert found.probabilities[2].isnan().all()
    predict_ternary(network, some_images(5))
    assert passes == [5, 5, 5, 5, 5]


def test_streams_can_be_left_out() -> None:
    network, images = network_of(3), some_images(20)
    all_three = predict_ternary(network, images)
    raw = predict_ternary(network, images, streams=("raw",))
    two = predict_ternary(network, images, streams=("raw", "crop"))
    erase = predict_ternary(network, images, streams=("raw", "erase"), erase="on_disagreement")
    assert raw.boxes.tolist() == erase.boxes.tolist() == [[0, 0, SIZE, SIZE]] * 20
    for found, used in ((raw, [0]), (two, [0, 1]), (erase, [0, 2])):
        skipped = [stream for stream in range(3) if stream not in used]
        torch.testing.assert_close(found.probabilities[used], all_three.probabilities[used])
        torch.testing.assert_close(found.scores, all_three.probabilities[used].mean(dim=0))
        assert found.probabilities[skipped].isnan().all()
        assert (found.votes[skipped] == -1).all()
    assert torch.equal(raw.labels, all_three.votes[0])
    assert set(two.agreement.tolist()) == {0.5, 1.0}


def test_decision_by_mean_takes_the_highest_score() -> None:
    network, images = network_of(4), some_images(80)
    found = predict_ternary(network, images, decision="mean")
    assert torch.equal(found.labels, found.probabilities.mean(dim=0).argmax(dim=1))
    assert not torch.equal(found.labels, predict_ternary(network, images).labels)


def test_a_network_without_maps_has_the_raw_stream_only() -> None:
    torch.manual_seed(0)
    network, images = PlainNetwork(Spread(), 3).eval(), some_images(4)
    found = predict_ternary(network, images, streams=("raw",))
    torch.testing.assert_close(found.scores, network(images).softmax(dim=1).detach())
    assert found.maps.shape == (4, 1, 1)
    with pytest.raises(LymphoscopeError, match="without attention maps"):
        predict_ternary(network, images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streams": ("crop", "erase")}, "must contain raw"),
        ({"streams": ("raw", "zoom")}, "must contain raw"),
        ({"decision": "mean", "erase": "on_disagreement"}, "vote only"),
        ({"crop_threshold": 2.0}, "not between 0 and 1"),
    ],
)
def test_invalid_options_raise_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message) as refusal:
        predict_ternary(network_of(2), some_images(1), **options)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("views", [2, 4, 8])
def test_the_streams_of_several_views_are_averaged(views: int) -> None:
    network, images = network_of(3), some_images(5)
    found = predict_ternary(network, images, views=views)
    alone = [predict_ternary(network, view.contiguous()) for view in oriented_views(images, views)]
    mean = torch.stack([one.probabilities for one in alone]).mean(dim=0)
    torch.testing.assert_close(found.probabilities, mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.scores, mean.mean(dim=0), atol=1e-5, rtol=1e-5)
    assert torch.equal(found.boxes, alone[0].boxes) and torch.equal(found.maps, alone[0].maps)


def test_with_eight_views_a_turned_or_mirrored_image_has_the_same_scores() -> None:
    network, images = network_of(3), some_images(5)
    expected = predict_ternary(network, images, views=8).probabilities
    for turned in (images.flip(3), images.flip(2), images.transpose(2, 3), images.rot90(1, (2, 3))):
        found = predict_ternary(network, turned.contiguous(), views=8).probabilities
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(LymphoscopeError, match=r"call eval\(\) first"):
        predict_ternary(network_of(2).train(), some_images(1))


def test_maps_and_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(LymphoscopeError, match="attention maps: NaN"):
        predict_ternary(network_of(2), some_images(1) * torch.nan)
    broken = network_of(2)
    nn.init.constant_(broken.classifier.bias, torch.inf)
    with pytest.raises(LymphoscopeError, match="logits: NaN"):
        predict_ternary(broken, some_images(1))


def test_prediction_is_deterministic_and_does_not_depend_on_the_batch() -> None:
    network, images = network_of(3), some_images(6)
    first, second = predict_ternary(network, images), predict_ternary(network, images)
    assert torch.equal(first.probabilities, second.probabilities)
    alone = predict_ternary(network, images[2:3])
    torch.testing.assert_close(first.probabilities[:, 2:3], alone.probabilities, atol=1e-3, rtol=1e-3)
    assert not first.scores.requires_grad


@pytest.mark.parametrize("erase", ["always", "on_disagreement"])
def test_outputs_are_float32_and_finite_under_autocast(
    device: str, erase: Literal["always", "on_disagreement"]
) -> None:
    network, images = network_of(3).to(device), some_images(10).to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        found: TernaryPrediction = predict_ternary(network, images, erase=erase)
    assert found.scores.dtype == found.probabilities.dtype == found.maps.dtype == torch.float32
    assert found.scores.isfinite().all() and found.maps.isfinite().all()
    torch.testing.assert_close(found.scores.sum(dim=1), torch.ones(10, device=device))
