"""`model.norm` in a recipe: a training ends in a model that loads, and weights go over as far as they can."""

from pathlib import Path

import pytest
import torch

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import load_network
from lymphoscope.training import Recipe, load_recipe, train
from lymphoscope.training.start import starting_network


def recipe_of(tiny: tuple[str, ...], *overrides: str) -> Recipe:
    return load_recipe("paper", [*tiny, "optimisation.epochs=1", *overrides])


@pytest.fixture(scope="module")
def batch_model(tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("batch")
    train(recipe_of(tiny), tiny_manifest, run)
    return run / "model"


@pytest.fixture(scope="module")
def group_model(tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("group")
    train(recipe_of(tiny, "model.norm=group"), tiny_manifest, run)
    return run / "model"


def test_group_norm_trains_to_a_model_that_loads(group_model: Path) -> None:
    network, description = load_network(group_model)
    assert description.architecture.norm == "group"
    assert not any("running" in name for name in network.state_dict())


def test_frozen_statistics_come_through_a_training_as_they_were(
    tiny: tuple[str, ...], tiny_manifest: Manifest, batch_model: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tiny, "model.norm=frozen", f"model.initial_weights={batch_model}")
    assert train(recipe, tiny_manifest, tmp_path).architecture.norm == "frozen"
    before, after = load_network(batch_model)[0].state_dict(), load_network(tmp_path / "model")[0].state_dict()
    fixed = [name for name in after if "running" in name or name.endswith("bn1.weight")]
    assert len(fixed) > 5
    assert all(torch.equal(before[name], after[name]) for name in fixed)
    assert not torch.equal(before["attention.0.weight"], after["attention.0.weight"])


def test_batch_norms_weights_start_group_norm(tiny: tuple[str, ...], batch_model: Path) -> None:
    recipe = recipe_of(tiny, "model.norm=group", f"model.initial_weights={batch_model}")
    own, given = starting_network(recipe, 2).state_dict(), load_network(batch_model)[0].state_dict()
    shared = [name for name in own if not name.startswith("classifier.")]
    assert all(torch.equal(own[name], given[name]) for name in shared)


@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_group_norm_gives_no_statistics_to_start_from(tiny: tuple[str, ...], group_model: Path, norm: str) -> None:
    recipe = recipe_of(tiny, f"model.norm={norm}", f"model.initial_weights={group_model}")
    with pytest.raises(LymphoscopeError, match="no batch norm to start from"):
        starting_network(recipe, 2)


def test_frozen_from_nothing_is_refused(tiny: tuple[str, ...]) -> None:
    with pytest.raises(LymphoscopeError, match=r"set model\.pretrained or model\.initial_weights"):
        recipe_of(tiny, "model.norm=frozen")
    assert recipe_of(tiny, "model.norm=frozen", "model.pretrained=true").architecture().norm == "frozen"
