"""Ranger against a slow reference in NumPy and by its defining properties, AdamW, and the learning rate schedule."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from lymphoscope.model_file import build_network
from lymphoscope.training import Ranger, centralize_gradients, load_recipe
from lymphoscope.training.optimiser import create_optimiser, learning_rate_factor
from lymphoscope.training.recipe import OptimisationRecipe


def reference_ranger(start: np.ndarray, gradients: list[np.ndarray], lr: float, decay: float) -> np.ndarray:
    """RAdam (Liu et al., Algorithm 2), decoupled decay, gradient centralisation, Lookahead: written step by step."""
    b1, b2, eps, k, alpha = 0.95, 0.999, 1e-5, 6, 0.5
    fast, slow = start.copy(), start.copy()
    m, v = np.zeros_like(start), np.zeros_like(start)
    rho_inf = 2 / (1 - b2) - 1
    for t, raw in enumerate(gradients, start=1):
        g = raw - raw.mean(axis=1, keepdims=True)
        fast *= 1 - lr * decay
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        unbiased = m / (1 - b1**t)
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > 5:
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            fast -= lr * unbiased * r * np.sqrt(1 - b2**t) / (np.sqrt(v) + eps)
        else:
            fast -= lr * unbiased
        if t % k == 0:
            slow += alpha * (fast - slow)
            fast = slow.copy()
    return fast


def test_ranger_equals_the_reference_over_thirty_steps() -> None:
    generator = np.random.default_rng(0)
    start = generator.normal(size=(4, 5))
    gradients = [generator.normal(size=(4, 5)) for _ in range(30)]
    weight = nn.Parameter(torch.tensor(start))
    optimiser = Ranger([weight], lr=0.1, weight_decay=0.01)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimiser.step()
    np.testing.assert_allclose(weight.detach().numpy(), reference_ranger(start, gradients, 0.1, 0.01), rtol=1e-9)


def test_ranger_descends_from_its_first_step() -> None:
    torch.manual_seed(0)
    target, weight = torch.randn(8), nn.Parameter(torch.zeros(8))
    optimiser = Ranger([weight], lr=0.01, weight_decay=0.0)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = (weight - target).square().sum()
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    falls = [later < earlier for earlier, later in pairwise(losses)]
    assert all(falls[:5])
    # Every sixth step Lookahead goes half of the way back; only then may the loss rise.
    assert all(fall for step, fall in enumerate(falls, start=1) if step % 6)
    assert all(later < earlier for earlier, later in zip(losses[::6], losses[6::6], strict=False))


def test_gradients_of_matrices_are_centralised_and_of_vectors_unchanged() -> None:
    kernel, bias = nn.Parameter(torch.randn(3, 2, 5, 5)), nn.Parameter(torch.randn(3))
    kernel.grad, bias.grad = torch.randn(3, 2, 5, 5), torch.randn(3)
    before = bias.grad.clone()
    centralize_gradients([kernel, bias])
    assert kernel.grad.mean(dim=(1, 2, 3)).abs().max() < 1e-6
    assert torch.equal(bias.grad, before)


@pytest.mark.parametrize("steps", [4, 7])
def test_resumed_ranger_is_identical_bit_for_bit(steps: int) -> None:
    def run(optimiser: Ranger, weight: nn.Parameter, generator: torch.Generator, count: int) -> None:
        for _ in range(count):
            weight.grad = torch.randn(3, 4, generator=generator)
            optimiser.step()

    whole, generator = nn.Parameter(torch.ones(3, 4)), torch.Generator().manual_seed(0)
    run(Ranger([whole]), whole, generator, 12)

    first, generator = nn.Parameter(torch.ones(3, 4)), torch.Generator().manual_seed(0)
    stopped = Ranger([first])
    run(stopped, first, generator, steps)
    second = nn.Parameter(first.detach().clone())
    resumed = Ranger([second])
    resumed.load_state_dict(stopped.state_dict())
    run(resumed, second, generator, 12 - steps)
    assert torch.equal(whole, second)


def test_fused_adamw_equals_torch_s_plain_loop(tiny: tuple[str, ...]) -> None:
    chosen = load_recipe("paper", [*tiny, "optimisation.optimiser=adamw"]).optimisation
    ours, plain = (build_network(load_recipe("paper", list(tiny)).architecture(), 2) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    steps = (
        create_optimiser(ours, chosen),
        torch.optim.AdamW(plain.parameters(), chosen.learning_rate, weight_decay=chosen.weight_decay, foreach=False),
    )
    for _ in range(5):
        for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for step in steps:
            step.step()
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_steps_schedule_is_the_paper_s() -> None:
    paper = OptimisationRecipe()
    assert learning_rate_factor(paper, 0) < 0.01
    assert learning_rate_factor(paper, 1) == pytest.approx(0.5, abs=1e-3)
    factors = [learning_rate_factor(paper, epoch) for epoch in range(2, 12)]
    assert factors == pytest.approx([0.95 ** (i // 2) for i in range(10)])


def test_cosine_schedule_ends_at_zero() -> None:
    cosine = OptimisationRecipe(schedule="cosine", warmup_epochs=1, epochs=11)
    assert learning_rate_factor(cosine, 1) == pytest.approx(1.0)
    assert learning_rate_factor(cosine, 6) == pytest.approx(0.5)
    assert learning_rate_factor(cosine, 11) == pytest.approx(0.0)


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_learning_rate_never_rises_after_warm_up(schedule: str) -> None:
    recipe = OptimisationRecipe(schedule=schedule, epochs=40)
    factors = [learning_rate_factor(recipe, 2 + step / 8) for step in range(300)]
    assert all(later <= earlier for earlier, later in pairwise(factors))
