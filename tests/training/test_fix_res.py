"""FixRes: what trains, at which size, and that a kill changes nothing."""

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
from lymphoscope.training import load_recipe, train
from lymphoscope.training.fix_res import trained_parts

MORE = ("optimisation.epochs=1", "fix_res.size=48", "fix_res.epochs=3")


def weights_of(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "model/weights.safetensors")


@pytest.mark.parametrize(
    ("streams", "trained"),
    [("ternary", ("classifier.", "attention.1.")), ("raw", ("classifier.", "backbone.body.layer4.0.downsample.2."))],
)
def test_only_the_classifier_and_the_last_batch_norm_change(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path, streams: str, trained: tuple[str, ...]
) -> None:
    words = [*tiny, "optimisation.epochs=1", f"streams={streams}"]
    train(load_recipe("paper", words), tiny_manifest, tmp_path / "without")
    train(load_recipe("paper", [*words, *MORE]), tiny_manifest, tmp_path / "with")
    before, after = weights_of(tmp_path / "without"), weights_of(tmp_path / "with")
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert {name for name in before if name.startswith(trained)} == changed
    assert load_description(tmp_path / "with/model").preprocessing.size == 48
    assert load_description(tmp_path / "without/model").preprocessing.size == 32
    curve = pd.read_csv(tmp_path / "with/fix_res/metrics.csv")
    assert curve["epoch"].tolist() == [1, 2, 3]
    assert curve["train_loss"].iloc[-1] < curve["train_loss"].iloc[0]


def test_a_phase_that_was_stopped_ends_as_one_never_stopped(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    words = [*tiny, *MORE]
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    # What a kill after the first epoch of the phase leaves: the training's checkpoints, and the phase's of one epoch.
    train(load_recipe("paper", [*words, "fix_res.epochs=1"]), tiny_manifest, stopped)
    shutil.rmtree(stopped / "model")
    train(load_recipe("paper", words), tiny_manifest, stopped)
    train(load_recipe("paper", words), tiny_manifest, whole)
    resumed, never_stopped = weights_of(stopped), weights_of(whole)
    assert all(np.array_equal(resumed[name], never_stopped[name]) for name in never_stopped)
    pd.testing.assert_frame_equal(*(pd.read_csv(run / "fix_res/metrics.csv") for run in (stopped, whole)))


def test_a_network_without_batch_norm_trains_its_classifier_alone() -> None:
    network = nn.Module()
    network.backbone, network.classifier = nn.LayerNorm(3), nn.Linear(3, 2)
    assert trained_parts(network) == [network.classifier]


def test_the_last_norm_of_wt_dfn_is_its_head_s() -> None:
    with torch.device("meta"):
        network = build_network(load_recipe("paper", ["model.backbone=test_resnet"]).architecture(), 2)
    assert trained_parts(network) == [network.attention[1], network.classifier]
