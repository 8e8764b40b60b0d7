"""The cross-entropy of whole classes and of shares."""

import pytest
import torch
from torch.nn import functional as F

from lymphoscope.training.losses import cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_class_an_image_is_torchs_loss_of_classes(smoothing: float, weighted: bool) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(9, 3), torch.randint(0, 3, (9,))
    weights = torch.tensor([0.2, 3.0, 1.0]) if weighted else None
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, labels, weights, smoothing), expected)
    torch.testing.assert_close(cross_entropy(logits, F.one_hot(labels, 3).float(), weights, smoothing), expected)


def test_shares_without_weights_are_torchs_loss_of_probabilities() -> None:
    torch.manual_seed(0)
    logits, shares = torch.randn(9, 3), torch.rand(9, 3).softmax(dim=1)
    torch.testing.assert_close(cross_entropy(logits, shares), F.cross_entropy(logits, shares))


def test_a_mixed_image_counts_as_its_two_parts() -> None:
    torch.manual_seed(0)
    logits, weights = torch.randn(1, 2), torch.tensor([1.0, 4.0])
    twice = logits.expand(2, 2)
    parts = F.cross_entropy(twice, torch.tensor([0, 1]), weights, reduction="none")
    expected = (0.25 * parts[0] + 0.75 * parts[1]) / (0.25 * 1.0 + 0.75 * 4.0)
    torch.testing.assert_close(cross_entropy(logits, torch.tensor([[0.25, 0.75]]), weights), expected)
