"""Device, number format and compilation."""

import pytest
import torch

from lymphoscope.model_file import build_network
from lymphoscope.training import load_recipe
from lymphoscope.training.hardware import autocast_dtype, compile_backbone, resolve_device, resolve_precision
from lymphoscope.training.recipe import HardwareRecipe


def test_auto_is_resolved_by_the_device() -> None:
    assert resolve_device(HardwareRecipe(accelerator="cpu")) == "cpu"
    assert resolve_precision("32-true", "cpu") == "32-true"
    assert autocast_dtype("16-mixed") is torch.float16


@pytest.mark.slow
def test_missing_compiler_is_reported_in_one_line_and_training_continues(
    tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe("paper", tiny)
    network = build_network(recipe.architecture(), 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    assert not compile_backbone(network, recipe, torch.device("cpu"))
    error = capsys.readouterr().err
    assert error.startswith("hardware.compile: training continues without compilation (")
    assert error.count("\n") == 1
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network(torch.randn(2, 3, 32, 32))[0].shape == (2, 2)
