"""Whole trainings: they learn, stop by validation, and a resumed run is identical to an uninterrupted one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from lymphoscope.data import Manifest, read_manifest, write_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import load_description, load_network
from lymphoscope.training import TrainingFolders, load_recipe, train_model
from lymphoscope.training.batches import EpochSampler, Key

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("optimisation.phases=alternating",),
        ("streams=raw",),
        ("attention.share_map=false", "attention.crop_threshold=[0.4,0.6]", "optimisation.centre_loss=1.0"),
        ("optimisation.optimiser=adamw", "optimisation.class_weights=true", "optimisation.sampling=subject"),
        ("hardware.precision=bf16-mixed",),
        ("early_stopping.keep=last", "early_stopping.monitor=validation_weighted_f1"),
        ("test_time.streams=[raw,crop]", "test_time.decision=mean", "attention.fill=black"),
        ("comparison=mix_up", "streams=raw", "optimisation.class_weights=true"),
        ("comparison=cut_mix", "hardware.passes=one"),
        ("comparison=grid_mask", "hardware.passes=two"),
        ("data.stain=optical_density", "fix_res.size=48"),
    ],
)
def test_every_kind_of_training_gives_a_model_that_loads(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    recipe = load_recipe("paper", [*tiny, "optimisation.epochs=1", *overrides])
    described = train_model(recipe, tiny_manifest, tmp_path)
    _, read = load_network(tmp_path / "model")
    assert read == described
    assert read.classes == ("all", "hem")
    assert read.blast_class == "all"
    assert read.trained_on["subjects"]["test"] == ["S8", "S9"]
    assert len(pd.read_csv(tmp_path / "metrics.csv")) == 1
    assert list((tmp_path / "tensorboard").glob("events.out.*"))


def test_separable_classes_are_learned(tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path) -> None:
    recipe = load_recipe("paper", [*tiny, "optimisation.epochs=12", "optimisation.warmup_epochs=1"])
    train_model(recipe, tiny_manifest, tmp_path)
    curve = pd.read_csv(tmp_path / "metrics.csv")
    assert curve["train_loss"].iloc[-1] < 0.5 * curve["train_loss"].iloc[0]
    assert curve["validation_weighted_f1"].max() > 0.9


def test_early_stopping_waits_for_its_patience(tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path) -> None:
    recipe = load_recipe("paper", [*tiny, "optimisation.epochs=30", "early_stopping.patience=2"])
    train_model(recipe, tiny_manifest, tmp_path)
    losses = pd.read_csv(tmp_path / "metrics.csv")["validation_loss"]
    assert len(losses) == 30 or len(losses) - 1 - losses.idxmin() == 2


def test_resuming_a_finished_training_changes_nothing(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    recipe = load_recipe("paper", [*tiny, "optimisation.epochs=30", "early_stopping.patience=1"])
    ended = train_model(recipe, tiny_manifest, tmp_path)
    curve = (tmp_path / "metrics.csv").read_text()
    assert curve.count("\n") < 30
    assert train_model(recipe, tiny_manifest, tmp_path).weights_sha256 == ended.weights_sha256
    assert (tmp_path / "metrics.csv").read_text() == curve


class RecordingSampler(EpochSampler):
    orders: ClassVar[list[tuple[int, tuple[int, ...]]]] = []

    def __iter__(self) -> Iterator[Key]:
        keys = list(super().__iter__())
        if self.shuffle:
            self.orders.append((self.epoch, tuple(index for _, _, index in keys)))
        return iter(keys)


def test_each_epoch_has_its_own_order(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["lymphoscope.training.train"], "EpochSampler", RecordingSampler)
    train_model(load_recipe("paper", tiny), tiny_manifest, tmp_path)
    epochs, orders = zip(*RecordingSampler.orders, strict=True)
    assert epochs == (0, 1, 2)
    assert len(set(orders)) == 3


def test_same_seed_gives_same_weights(tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path) -> None:
    hashes = [train_model(load_recipe("paper", tiny), tiny_manifest, tmp_path / name).weights_sha256 for name in "ab"]
    other = train_model(load_recipe("paper", [*tiny, "seed=1"]), tiny_manifest, tmp_path / "c").weights_sha256
    assert hashes[0] == hashes[1] != other


@pytest.fixture
def partly_labelled(tiny_manifest: Manifest) -> Manifest:
    """The tiny cells; every third training cell of `hem` may also be `other`, a class that two training cells have."""
    table = tiny_manifest.table.copy()
    hem = table.index[(table["split"] == "train") & (table["label"] == "hem")]
    table.loc[hem[:2], "label"] = "other"
    table.loc[hem[2::3], ["label", "possible_labels"]] = [None, "hem|other"]
    return Manifest(table, "table")


def test_partial_labels_train_in_every_phase_and_are_in_no_score(
    partly_labelled: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    more = ("optimisation.epochs=1", "optimisation.sampling=class", "optimisation.class_weights=true")
    recipe = load_recipe("paper", [*tiny, *more, "error_curves=true", "fix_res.size=48", "fix_res.epochs=1"])
    assert train_model(recipe, partly_labelled, tmp_path).classes == ("all", "hem", "other")
    curves = [pd.read_csv(tmp_path / name / "metrics.csv")["train_loss"] for name in ("", "fix_res")]
    assert all(np.isfinite(losses).all() for losses in curves)
    errors = pd.read_csv(tmp_path / "errors.csv")["train_error"] * 30  # of 36 training cells, six have a partial label
    assert errors.iloc[0] == pytest.approx(round(errors.iloc[0]))


@pytest.mark.parametrize("comparison", ["none", "cut_mix"])
def test_number_of_workers_does_not_change_the_weights(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path, comparison: str
) -> None:
    overrides = [*tiny, f"comparison={comparison}", "optimisation.epochs=2"]
    hashes = [
        train_model(
            load_recipe("paper", [*overrides, f"data.workers={n}"]), tiny_manifest, tmp_path / str(n)
        ).weights_sha256
        for n in (0, 2)
    ]
    assert hashes[0] == hashes[1]


CHILD = """
import sys
from pathlib import Path
from lymphoscope.data import (read_manifest)
from lymphoscope.training import (load_recipe, train_model)
train_model(load_recipe(sys.argv[1], sys.argv[4:]), read_manifest(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.mark.slow
def test_killed_and_resumed_run_gives_the_weights_of_an_uninterrupted_one(
    many_tiny_cells: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    write_manifest(many_tiny_cells, tmp_path / "manifest.csv")
    manifest = read_manifest(tmp_path / "manifest.csv")
    overrides = [*tiny, "optimisation.epochs=5"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", CHILD, "paper", str(tmp_path / "manifest.csv"), str(killed), *overrides]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONWARNINGS": "default"})
    wait_for_epochs(killed / "metrics.csv", 2, child)
    time.sleep(0.3)  # into the next epoch
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (killed / "model").exists()
    recipe = load_recipe("paper", overrides)
    train_model(recipe, manifest, killed)
    train_model(recipe, manifest, whole)
    resumed, never_killed = (load_file(TrainingFolders(run).model / "weights.safetensors") for run in (killed, whole))
    assert resumed.keys() == never_killed.keys()
    assert all(np.array_equal(resumed[name], never_killed[name]) for name in resumed)
    curves = [pd.read_csv(run / "metrics.csv").drop(columns="seconds") for run in (killed, whole)]
    pd.testing.assert_frame_equal(*curves)


def wait_for_epochs(path: Path, epochs: int, child: subprocess.Popen) -> None:
    for _ in range(1200):
        assert child.poll() is None, "the run ended before it could be killed"
        if path.exists() and len(pd.read_csv(path)) >= epochs:
            return
        time.sleep(0.05)
    raise AssertionError("no epoch ended within a minute")


def test_initial_weights_are_copied_except_the_classifier(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    short = [*tiny, "optimisation.epochs=1"]
    train_model(load_recipe("paper", short), tiny_manifest, tmp_path / "first")
    first = load_file(tmp_path / "first/model/weights.safetensors")
    # A learning rate of nearly nothing: what comes out is what went in.
    still = [*short, f"model.initial_weights={tmp_path / 'first/model'}", "seed=5", "optimisation.learning_rate=1e-12"]
    train_model(load_recipe("paper", still), tiny_manifest, tmp_path / "second")
    second = load_file(tmp_path / "second/model/weights.safetensors")
    learned = [
        name
        for name in first
        if not name.startswith("classifier.")
        and not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    assert all(np.allclose(first[name], second[name], atol=1e-6) for name in learned)
    assert not np.allclose(first["classifier.weight"], second["classifier.weight"], atol=1e-3)


def test_invalid_options_are_refused_in_one_line(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    train_model(load_recipe("paper", [*tiny, "optimisation.epochs=1"]), tiny_manifest, tmp_path / "first")
    start = f"model.initial_weights={tmp_path / 'first/model'}"
    with pytest.raises(LymphoscopeError, match="of another shape"):
        train_model(load_recipe("paper", [*tiny, start, "model.maps=8"]), tiny_manifest, tmp_path / "other")
    with pytest.raises(LymphoscopeError, match="'blast' is not a class of the data"):
        train_model(load_recipe("paper", [*tiny, "blast_class=blast"]), tiny_manifest, tmp_path / "blast")
    untested = tiny_manifest.table.assign(split=tiny_manifest.table["split"].replace("validation", "train"))
    with pytest.raises(LymphoscopeError, match="the split has no readable validation cells"):
        train_model(load_recipe("paper", tiny), Manifest(untested, "table"), tmp_path / "none")


def test_description_has_what_inference_needs(tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path) -> None:
    scale = ("data.microns_per_pixel=0.1", "data.surroundings=kept")
    recipe = load_recipe("wsdan", [*tiny, *scale, "optimisation.epochs=1"])
    train_model(recipe, tiny_manifest, tmp_path)
    description = load_description(tmp_path / "model")
    assert (description.preprocessing.microns_per_pixel, description.preprocessing.surroundings) == (0.1, "kept")
    assert description.preprocessing.size == 32
    assert description.preprocessing.mean == recipe.data.mean
    assert description.test_time == recipe.test_time
    assert description.trained_on["manifest_sha256"] == tiny_manifest.digest
