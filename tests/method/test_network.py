"""The network and its baseline: shapes, precision, where gradients go."""

import copy

import pytest
import torch
from torch import Tensor, nn

from lymphoscope.method import WTDFN, FeatureExtractor, PlainNetwork


def test_network_returns_logits_and_non_negative_maps(network: WTDFN, device: str) -> None:
    logits, maps = network.to(device)(torch.randn(3, 3, 24, 16, device=device))
    assert logits.shape == (3, 4)
    assert maps.shape == (3, 5, 6, 4)
    assert (maps >= 0).all() and (maps > 0).any()


def test_forward_is_embed_then_classify(network: WTDFN) -> None:
    images = torch.randn(3, 3, 16, 16)
    network.eval()
    vectors, maps = network.embed(images)
    logits, same_maps = network(images)
    assert vectors.shape == (3, 5 * 6)
    assert torch.equal(network.classify(vectors), logits)
    assert torch.equal(maps, same_maps)


def test_the_head_has_the_parameter_count_of_the_paper(backbone: FeatureExtractor) -> None:
    def count(network: nn.Module) -> int:
        return sum(each.numel() for name, each in network.named_parameters() if not name.startswith("backbone"))

    channels, parts, classes = 6, 5, 4
    head = channels * parts + 2 * parts + parts * channels * classes
    assert count(WTDFN(backbone, classes, parts)) == head + classes
    assert count(WTDFN(backbone, classes, parts, bias=False)) == head
    assert count(PlainNetwork(backbone, classes)) == channels * classes + classes


def test_normalisations_can_be_switched_off(backbone: FeatureExtractor) -> None:
    images = torch.randn(2, 3, 16, 16)
    variants = [{}, {"signed_sqrt": False}, {"l2": False}, {"scale": 1.0}]
    networks = [WTDFN(backbone, 2, 5, **options) for options in variants]  # type: ignore[arg-type]
    vectors = []
    for network in networks:
        network.load_state_dict(networks[0].state_dict())
        vectors.append(network.eval().embed(images)[0])
    assert all(not torch.allclose(vectors[0], other) for other in vectors[1:])


def test_gradients_reach_every_parameter(network: WTDFN) -> None:
    logits, _ = network(torch.randn(4, 3, 16, 16))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_maps_and_logits_are_float32_and_finite_under_autocast(network: WTDFN, device: str) -> None:
    features: list[Tensor] = []
    network.to(device).backbone.register_forward_hook(lambda *call: features.append(call[2]))  # type: ignore[attr-defined]
    with torch.autocast(device, dtype=torch.bfloat16):
        logits, maps = network(torch.randn(3, 3, 16, 16, device=device))
        logits.sum().backward()
    assert features[0].dtype == torch.bfloat16  # so autocast was on
    assert logits.dtype == maps.dtype == torch.float32
    assert logits.isfinite().all() and maps.isfinite().all()


def test_plain_network_is_average_pooling_and_a_linear_layer(backbone: FeatureExtractor, device: str) -> None:
    network = PlainNetwork(copy.deepcopy(backbone), 3).to(device)
    images = torch.randn(2, 3, 16, 16, device=device)
    features = network.backbone(images)
    expected = features.flatten(2).mean(dim=2) @ network.classifier.weight.T + network.classifier.bias
    torch.testing.assert_close(network(images), expected)


@pytest.mark.parametrize("network_class", [WTDFN, PlainNetwork])
def test_images_of_a_batch_do_not_affect_each_other_in_eval_mode(
    network_class: type[WTDFN] | type[PlainNetwork], backbone: FeatureExtractor
) -> None:
    network = network_class(backbone, 2).eval()
    images = torch.randn(3, 3, 16, 16)
    together, alone = network(images), network(images[1:2])
    if isinstance(together, Tensor):
        together, alone = (together,), (alone,)
    for batch, single in zip(together, alone, strict=True):
        torch.testing.assert_close(batch[1:2], single)
