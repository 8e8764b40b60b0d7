"""The learning rate's course (section 3.1)."""

from itertools import pairwise

import pytest

from lymphoscope.training.optimiser import learning_rate_factor
from lymphoscope.training.recipe import OptimisationRecipe


def test_the_papers_course() -> None:
    paper = OptimisationRecipe()
    assert learning_rate_factor(paper, 0) < 0.01
    assert learning_rate_factor(paper, 1) == pytest.approx(0.5, abs=1e-3)
    factors = [learning_rate_factor(paper, epoch) for epoch in range(2, 12)]
    assert factors == pytest.approx([0.95 ** (i // 2) for i in range(10)])


def test_the_cosine_ends_at_zero() -> None:
    cosine = OptimisationRecipe(schedule="cosine", warmup_epochs=1, epochs=11)
    assert learning_rate_factor(cosine, 1) == pytest.approx(1.0)
    assert learning_rate_factor(cosine, 6) == pytest.approx(0.5)
    assert learning_rate_factor(cosine, 11) == pytest.approx(0.0)


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_after_warm_up_it_never_rises(schedule: str) -> None:
    recipe = OptimisationRecipe(schedule=schedule, epochs=40)
    factors = [learning_rate_factor(recipe, 2 + step / 8) for step in range(300)]
    assert all(later <= earlier for earlier, later in pairwise(factors))
