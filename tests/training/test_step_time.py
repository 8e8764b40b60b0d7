"""Timed training steps."""

import pytest
import torch

from lymphoscope.training import TimedStep, load_recipe, measure_step


@pytest.mark.parametrize("overrides", [(), ("streams=raw",), ("hardware.precision=bf16-mixed",)])
def test_measured_step_takes_time_and_leaves_the_recipe_unchanged(
    tiny: tuple[str, ...], overrides: tuple[str, ...]
) -> None:
    recipe = load_recipe("paper", [*tiny, "model.initial_weights=nowhere", *overrides])
    measured = measure_step(recipe, 3, rounds=1)
    assert 0 < measured.forward < measured.total < 60
    assert recipe.model.initial_weights == "nowhere"


def test_loss_in_bfloat16_is_close_to_that_in_float32(tiny: tuple[str, ...]) -> None:
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        recipe = load_recipe("paper", [*tiny, f"hardware.precision={precision}"])
        step = TimedStep(recipe, 2, torch.device("cpu"))
        torch.manual_seed(0)
        losses.append(float(step()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]
