"""The centre loss against a loop over the batch, labels repeating."""

import numpy as np
import torch

from lymphoscope.training.losses import CentreLoss


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


def test_centres_stay_in_evaluation_and_the_loss_pulls_towards_them() -> None:
    loss = CentreLoss(2, 3).eval()
    loss.centres += torch.eye(2, 3)
    before = loss.centres.clone()
    embeddings = torch.tensor([[1.0, 1.0, 0.0]], requires_grad=True)
    loss(embeddings, torch.tensor([0])).backward()
    assert torch.equal(loss.centres, before)
    stepped = embeddings.detach() - 0.1 * embeddings.grad
    assert loss(stepped, torch.tensor([0])) < loss(embeddings, torch.tensor([0]))
