"""FixRes: what is trained, at which size, and after a kill."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from lymphoscope.data import Manifest
from lymphoscope.model_file import build_network, load_description
from lymphoscope.training import load_recipe, train_model
from lymphoscope.training.fix_res import trainable_parts

pytestmark = pytest.mark.slow

FIX_RES = ("optimisation.epochs=1", "fix_res.size=48", "fix_res.epochs=3")


def weights_of(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "model/weights.safetensors")


@pytest.mark.parametrize(
    ("streams", "trained"),
    [("ternary", ("classifier.", "attention.1.")), ("raw", ("classifier.", "backbone.body.layer4.0.downsample.2."))],
)
def test_only_classifier_and_last_batch_norm_change(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path, streams: str, trained: tuple[str, ...]
) -> None:
    overrides = [*tiny, "optimisation.epochs=1", f"streams={streams}"]
    train_model(load_recipe("paper", overrides), tiny_manifest, tmp_path / "without")
    train_model(load_recipe("paper", [*overrides, *FIX_RES]), tiny_manifest, tmp_path / "with")
    before, after = weights_of(tmp_path / "without"), weights_of(tmp_path / "with")
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert {name for name in before if name.startswith(trained)} == changed
    assert load_description(tmp_path / "with/model").preprocessing.size == 48
    assert load_description(tmp_path / "without/model").preprocessing.size == 32
    curve = pd.read_csv(tmp_path / "with/fix_res/metrics.csv")
    assert curve["epoch"].tolist() == [1, 2, 3]
    assert curve["train_loss"].iloc[-1] < curve["train_loss"].iloc[0]


def test_resumed_phase_equals_an_uninterrupted_one(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    overrides = [*tiny, *FIX_RES]
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    # What a kill after the first epoch of the phase leaves: the training's checkpoints, and the phase's of one epoch.
    train_model(load_recipe("paper", [*overrides, "fix_res.epochs=1"]), tiny_manifest, stopped)
    shutil.rmtree(stopped / "model")
    train_model(load_recipe("paper", overrides), tiny_manifest, stopped)
    train_model(load_recipe("paper", overrides), tiny_manifest, whole)
    resumed, never_stopped = weights_of(stopped), weights_of(whole)
    assert all(np.array_equal(resumed[name], never_stopped[name]) for name in never_stopped)
    pd.testing.assert_frame_equal(*(pd.read_csv(run / "fix_res/metrics.csv") for run in (stopped, whole)))


def test_network_without_batch_norm_trains_only_its_classifier() -> None:
    network = nn.Module()
    network.backbone, network.classifier = nn.LayerNorm(3), nn.Linear(3, 2)
    assert trainable_parts(network) == [network.classifier]


def test_last_norm_of_wt_dfn_is_in_its_head() -> None:
    with torch.device("meta"):
        network = build_network(load_recipe("paper", ["model.backbone=test_resnet"]).architecture(), 2)
    assert trainable_parts(network) == [network.attention[1], network.classifier]
