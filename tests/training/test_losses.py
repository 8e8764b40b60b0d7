"""Cross-entropy, centre loss, and the passes over the three streams."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
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


def by_hand(logits: np.ndarray, possible: np.ndarray, weights: np.ndarray, smoothing: float) -> float:
    """The loss of partial labels as a cross-entropy in which the possible classes of each cell are one class."""
    total = weight = 0.0
    for row, known in zip(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), possible, strict=True):
        target = np.full(len(row), smoothing / len(row))
        merged = [row[known].sum(), *row[~known]]
        shares = [1 - smoothing + target[known].sum(), *target[~known]]
        own = [weights[known].mean(), *weights[~known]]
        total += sum(-share * each * np.log(p) for share, each, p in zip(shares, own, merged, strict=True))
        weight += own[0]
    return total / weight


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_partial_labels_give_the_loss_of_merged_classes(smoothing: float, weighted: bool) -> None:
    generator = np.random.default_rng(0)
    logits, possible = generator.normal(size=(20, 5)), generator.random((20, 5)) < 0.4
    possible[np.arange(20), generator.integers(0, 5, 20)] = True
    weights = generator.uniform(0.2, 3.0, 5) if weighted else np.ones(5)
    given = torch.tensor(weights) if weighted else None
    found = cross_entropy(torch.tensor(logits), torch.tensor(possible), given, smoothing)
    assert float(found) == pytest.approx(by_hand(logits, possible, weights, smoothing), rel=1e-6)


@given(st.integers(2, 12), st.floats(0, 0.5), st.booleans(), st.integers(0, 10_000))
def test_one_possible_class_is_a_label_and_all_classes_say_nothing(
    classes: int, smoothing: float, weighted: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = (5 * torch.randn(6, classes, generator=generator, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, classes, (6,), generator=generator)
    weights = torch.rand(classes, generator=generator) + 0.1 if weighted else None
    expected = F.cross_entropy(logits.float(), labels, weights, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, F.one_hot(labels, classes).bool(), weights, smoothing), expected)
    nothing = cross_entropy(logits, torch.ones(6, classes, dtype=torch.bool), weights, smoothing)
    nothing.backward()
    assert nothing.item() == pytest.approx(0.0, abs=1e-5)
    torch.testing.assert_close(logits.grad, torch.zeros_like(logits), atol=1e-6, rtol=0)


@given(st.integers(3, 12), st.integers(0, 10_000))
def test_partial_label_raises_the_possible_classes_in_proportion_and_no_other(classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, classes, generator=generator).requires_grad_()
    possible = torch.arange(classes) < int(torch.randint(1, classes, (1,), generator=generator))
    cross_entropy(logits, possible[None]).backward()
    step, probabilities = -logits.grad[0], logits.detach()[0].softmax(dim=0)
    assert (step[possible] >= 0).all()
    torch.testing.assert_close(step[~possible], -probabilities[~possible])
    expected = probabilities[possible] * (1 / probabilities[possible].sum() - 1)  # in proportion to the probabilities
    torch.testing.assert_close(step[possible], expected, atol=1e-6, rtol=1e-4)


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
