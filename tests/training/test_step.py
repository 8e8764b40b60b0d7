"""One step of a recipe: timed, in one pass or two, compiled or not."""

import pytest
import torch

from lymphoscope.model_file import build_network
from lymphoscope.training import load_recipe, measured_step
from lymphoscope.training.hardware import autocast_dtype, compile_backbone, device_of, resolved_precision
from lymphoscope.training.recipe import HardwareRecipe
from lymphoscope.training.step import normalized, optimiser_of, training_step
from lymphoscope.training.streams import passes_on, ternary_passes

CPU = torch.device("cpu")


@pytest.mark.parametrize("overrides", [(), ("streams=raw",), ("hardware.precision=bf16-mixed",)])
def test_a_measured_step_takes_time_and_leaves_the_recipe_alone(
    tiny: tuple[str, ...], overrides: tuple[str, ...]
) -> None:
    recipe = load_recipe("paper", [*tiny, "model.initial_weights=nowhere", *overrides])
    assert 0 < measured_step(recipe, 3, rounds=1) < 60
    assert recipe.model.initial_weights == "nowhere"


def test_a_step_of_bfloat16_loses_what_one_of_float32_does_to_a_hundredth(tiny: tuple[str, ...]) -> None:
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        recipe = load_recipe("paper", [*tiny, f"hardware.precision={precision}"])
        step = training_step(recipe, 2, CPU)
        torch.manual_seed(0)
        losses.append(float(step()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_adamw_in_one_sweep_goes_where_torchs_plain_loop_goes(tiny: tuple[str, ...]) -> None:
    chosen = load_recipe("paper", [*tiny, "optimisation.optimiser=adamw"]).optimisation
    ours, plain = (build_network(load_recipe("paper", list(tiny)).architecture(), 2) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    steps = (
        optimiser_of(ours, chosen),
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


def test_normalised_images_are_those_of_the_formula() -> None:
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    mean, std = torch.rand(3, 1, 1), torch.rand(3, 1, 1) + 0.1
    ours = normalized(images, mean, std)
    torch.testing.assert_close(ours, (images / 255.0 - mean) / std, rtol=1e-5, atol=1e-5)
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_one_pass_and_two_agree_where_batch_norm_sees_no_batch(tiny: tuple[str, ...]) -> None:
    recipe = load_recipe("paper", tiny)
    torch.manual_seed(0)
    network = build_network(recipe.architecture(), 2).eval()
    images = torch.randn(4, 3, 32, 32)
    streams = []
    for passes in ("one", "two"):
        torch.manual_seed(1)
        groups = list(ternary_passes(network, images, recipe.attention, (0.0, 0.0, 0.0), passes))
        streams.append([(each.stream, each.logits) for group in groups for each in group])
    assert [name for name, _ in streams[0]] == ["raw", "crop", "erase"]
    for (_, together), (_, apart) in zip(*streams, strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_what_a_machine_does_is_chosen_by_its_device() -> None:
    assert passes_on("auto", CPU) == "two"
    assert passes_on("auto", torch.device("cuda")) == "one"
    assert passes_on("one", CPU) == "one"
    assert device_of(HardwareRecipe(accelerator="cpu")) == "cpu"
    assert resolved_precision("32-true", "cpu") == "32-true"
    assert autocast_dtype("16-mixed") is torch.float16


def test_without_a_compiler_training_goes_on_and_a_line_says_so(
    tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe("paper", tiny)
    network = build_network(recipe.architecture(), 2)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    assert not compile_backbone(network, recipe, CPU)
    said = capsys.readouterr().err
    assert said.startswith("hardware.compile: not compiled, training goes on without (")
    assert said.count("\n") == 1
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert network(torch.randn(2, 3, 32, 32))[0].shape == (2, 2)
