"""Cross-entropy, centre loss, and the passes over the three streams."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lymphoscope.model_file import build_network
from lymphoscope.training import load_recipe
from lymphoscope.training.losses import CentreLoss, cross_entropy, resolve_passes, ternary_passes


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_hot_probabilities_give_the_loss_of_classes(smoothing: float, weighted: bool) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(9, 3), torch.randint(0, 3, (9,))
    weights = torch.tensor([0.2, 3.0, 1.0]) if weighted else None
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, labels, weights, smoothing), expected)
    torch.testing.assert_close(cross_entropy(logits, F.one_hot(labels, 3).float(), weights, smoothing), expected)


def test_unweighted_loss_of_probabilities_equals_torch() -> None:
    torch.manual_seed(0)
    logits, shares = torch.randn(9, 3), torch.rand(9, 3).softmax(dim=1)
    torch.testing.assert_close(cross_entropy(logits, shares), F.cross_entropy(logits, shares))


def test_mixed_image_counts_as_its_two_parts() -> None:
    torch.manual_seed(0)
    logits, weights = torch.randn(1, 2), torch.tensor([1.0, 4.0])
    twice = logits.expand(2, 2)
    parts = F.cross_entropy(twice, torch.tensor([0, 1]), weights, reduction="none")
    expected = (0.25 * parts[0] + 0.75 * parts[1]) / (0.25 * 1.0 + 0.75 * 4.0)
    torch.testing.assert_close(cross_entropy(logits, torch.tensor([[0.25, 0.75]]), weights), expected)


def test_centres_move_by_the_mean_of_their_class() -> None:
    torch.manual_seed(0)
    loss = CentreLoss(3, 4, rate=0.05)
    loss.centres += torch.randn(3, 4)
    before = loss.centres.clone().numpy()
    embeddings, labels = torch.randn(6, 4), torch.tensor([0, 0, 0, 2, 2, 0])
    loss(embeddings, labels)
    unit = (embeddings / embeddings.norm(dim=1, keepdim=True)).numpy()
    expected = before.copy()
    for label in (0, 2):
        mean = np.mean([unit[i] for i in range(6) if labels[i] == label], axis=0)
        expected[label] = before[label] + 0.05 * (mean - before[label])
    np.testing.assert_allclose(loss.centres.numpy(), expected, atol=1e-6)


def test_centres_do_not_move_in_evaluation_and_attract_embeddings() -> None:
    loss = CentreLoss(2, 3).eval()
    loss.centres += torch.eye(2, 3)
    before = loss.centres.clone()
    embeddings = torch.tensor([[1.0, 1.0, 0.0]], requires_grad=True)
    loss(embeddings, torch.tensor([0])).backward()
    assert torch.equal(loss.centres, before)
    stepped = embeddings.detach() - 0.1 * embeddings.grad
    assert loss(stepped, torch.tensor([0])) < loss(embeddings, torch.tensor([0]))


def test_one_pass_and_two_passes_agree_in_evaluation_mode(tiny: tuple[str, ...]) -> None:
    recipe = load_recipe("paper", tiny)
    torch.manual_seed(0)
    network = build_network(recipe.architecture(), 2).eval()
    images = torch.randn(4, 3, 32, 32)
    streams = []
    for passes in ("one", "two"):
        torch.manual_seed(1)
        phases = list(ternary_passes(network, images, recipe.attention, (0.0, 0.0, 0.0), passes))
        streams.append([(output.stream, output.logits) for phase in phases for output in phase])
    assert [name for name, _ in streams[0]] == ["raw", "crop", "erase"]
    for (_, one), (_, two) in zip(*streams, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_auto_passes_are_two_on_a_cpu_and_one_on_a_gpu() -> None:
    assert resolve_passes("auto", torch.device("cpu")) == "two"
    assert resolve_passes("auto", torch.device("cuda")) == "one"
    assert resolve_passes("one", torch.device("cpu")) == "one"
