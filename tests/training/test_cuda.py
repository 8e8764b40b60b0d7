"""Training on a GPU: half precision, crop and erase in one pass, and a run that learns."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from lymphoscope.data import Manifest
from lymphoscope.runs import RunFolder, begin_training, finish_training
from lymphoscope.training import TimedStep, load_recipe, measure_step

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("overrides", [(), ("hardware.passes=two",), ("streams=raw",), ("hardware.compile=true",)])
def test_a_step_in_half_precision_loses_nearly_what_one_in_float32_does(
    tiny: tuple[str, ...], overrides: tuple[str, ...]
) -> None:
    losses = []
    for precision in ("32-true", "auto"):
        recipe = load_recipe(
            "paper", [*tiny, "hardware.accelerator=auto", f"hardware.precision={precision}", *overrides]
        )
        torch.manual_seed(0)
        step = TimedStep(recipe, 2, torch.device("cuda"))
        torch.manual_seed(1)
        losses.append(float(step()))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_a_step_is_measured_on_the_gpu(tiny: tuple[str, ...]) -> None:
    recipe = load_recipe("paper", [*tiny, "hardware.accelerator=auto", "hardware.precision=auto"])
    assert 0 < measure_step(recipe, rounds=1).total < 60


def test_a_run_on_the_gpu_learns_what_one_on_the_processor_does(
    tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]
) -> None:
    recipe = load_recipe("quick", [*tiny, "hardware.accelerator=auto", "hardware.precision=auto"])
    folder = RunFolder(tmp_path / "run")
    begin_training(recipe, tiny_manifest, folder)
    finish_training(folder)
    curve = pd.read_csv(folder.curves)
    assert curve["train_loss"].iloc[-1] < curve["train_loss"].iloc[0]
    assert folder.report.is_file()
