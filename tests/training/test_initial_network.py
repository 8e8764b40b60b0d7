"""The initial network of a recipe: weights taken over, norm, frozen backbones and layer-wise learning rates."""

from pathlib import Path

import pytest
import torch

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import load_network
from lymphoscope.training import Recipe, load_recipe, train_model
from lymphoscope.training.initial_network import build_initial_network, check_recipe
from lymphoscope.training.optimiser import parameter_groups


def recipe_of(tiny: tuple[str, ...], *overrides: str) -> Recipe:
    return load_recipe("paper", [*tiny, "optimisation.epochs=1", *overrides])


@pytest.fixture(scope="module")
def batch_model(tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("batch")
    train_model(recipe_of(tiny), tiny_manifest, run)
    return run / "model"


@pytest.fixture(scope="module")
def group_model(tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("group")
    train_model(recipe_of(tiny, "model.norm=group"), tiny_manifest, run)
    return run / "model"


def test_group_norm_gives_a_model_that_loads(group_model: Path) -> None:
    network, description = load_network(group_model)
    assert description.architecture.norm == "group"
    assert not any("running" in name for name in network.state_dict())


def test_frozen_batch_norm_does_not_change_in_training(
    tiny: tuple[str, ...], tiny_manifest: Manifest, batch_model: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(tiny, "model.norm=frozen", f"model.initial_weights={batch_model}")
    assert train_model(recipe, tiny_manifest, tmp_path).architecture.norm == "frozen"
    before, after = load_network(batch_model)[0].state_dict(), load_network(tmp_path / "model")[0].state_dict()
    fixed = [name for name in after if "running" in name or name.endswith("bn1.weight")]
    assert len(fixed) > 5
    assert all(torch.equal(before[name], after[name]) for name in fixed)
    assert not torch.equal(before["attention.0.weight"], after["attention.0.weight"])


def test_group_norm_starts_with_the_weights_of_batch_norm(tiny: tuple[str, ...], batch_model: Path) -> None:
    recipe = recipe_of(tiny, "model.norm=group", f"model.initial_weights={batch_model}")
    own, given = build_initial_network(recipe, 2).state_dict(), load_network(batch_model)[0].state_dict()
    shared = [name for name in own if not name.startswith("classifier.")]
    assert all(torch.equal(own[name], given[name]) for name in shared)


@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_batch_norm_cannot_start_from_group_norm(tiny: tuple[str, ...], group_model: Path, norm: str) -> None:
    recipe = recipe_of(tiny, f"model.norm={norm}", f"model.initial_weights={group_model}")
    with pytest.raises(LymphoscopeError, match="no batch norm to start from"):
        build_initial_network(recipe, 2)


def test_frozen_norm_without_initial_weights_is_refused(tiny: tuple[str, ...]) -> None:
    with pytest.raises(LymphoscopeError, match=r"set model\.pretrained or model\.initial_weights"):
        recipe_of(tiny, "model.norm=frozen")
    assert recipe_of(tiny, "model.norm=frozen", "model.pretrained=true").architecture().norm == "frozen"


LITE = (
    "model.backbone=efficientnet_lite0",
    "model.pretrained=true",
    "model.features=block3",
    "model.freeze=true",
    "model.dropout=0.2",
)


def test_recipe_takes_the_normalisation_of_the_imagenet_weights() -> None:
    lite = load_recipe("paper", LITE).data
    assert lite.mean == lite.std == (0.5, 0.5, 0.5)
    assert load_recipe("paper", ["model.pretrained=true"]).data == Recipe().data
    assert load_recipe("paper", [*LITE, "data.mean=[0.1,0.2,0.3]"]).data.mean == (0.1, 0.2, 0.3)
    again = Recipe.model_validate(load_recipe("paper", LITE).model_dump(mode="json"))
    assert again == load_recipe("paper", LITE)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["ternary", "raw"])
def test_frozen_backbone_does_not_change_in_training(
    head: str, tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path: Path
) -> None:
    recipe = load_recipe("paper", [*tiny, *LITE, "optimisation.epochs=1", f"streams={head}"])
    description = train_model(recipe, tiny_manifest, tmp_path)
    assert (description.architecture.features, description.architecture.dropout) == ("block3", 0.2)
    network, start = load_network(tmp_path / "model")[0], build_initial_network(recipe, 2)
    before, after = start.state_dict(), network.state_dict()
    assert list(before) == list(after)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert {"classifier.weight", "classifier.bias"} <= changed
    assert not any(name.startswith("backbone.") for name in changed)


@pytest.mark.slow
def test_frozen_stages_do_not_change_in_training(
    tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path: Path
) -> None:
    partly = ["model.freeze=false", "model.frozen_stages=block1", "optimisation.epochs=1"]
    recipe = load_recipe("paper", [*tiny, *LITE, *partly])
    train_model(recipe, tiny_manifest, tmp_path)
    before, after = build_initial_network(recipe, 2).state_dict(), load_network(tmp_path / "model")[0].state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    stages = {name.split(".")[3] for name in changed if name.startswith("backbone.body.blocks.")}
    assert stages == {"2", "3"}
    assert not any(name.startswith(("backbone.body.conv_stem", "backbone.body.bn1")) for name in changed)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.frozen_stages=block7"], "has no stage 'block7'"),
        (["model.frozen_stages=block1", "model.features=null"], r"needs `model\.features`"),
    ],
)
def test_frozen_stages_that_cannot_be_are_refused_before_any_work(overrides: list[str], message: str) -> None:
    recipe = load_recipe("paper", [*LITE, "model.freeze=false", *overrides])
    with pytest.raises(LymphoscopeError, match=message):
        check_recipe(recipe, ["all", "hem"])


def test_layer_wise_learning_rates_follow_the_stages(tiny: tuple[str, ...]) -> None:
    overrides = ["optimisation.backbone_lr_scale=0.1", "optimisation.stage_lr_decay=0.5", "model.freeze=false"]
    recipe = load_recipe("paper", [*tiny, *LITE, *overrides])
    network = build_initial_network(recipe, 2)
    groups = parameter_groups(network, recipe.optimisation)
    scales = {id(weight): group["lr_scale"] for group in groups for weight in group["params"]}
    by_name = {name: scales[id(weight)] for name, weight in network.named_parameters()}
    assert groups[0]["lr_scale"] == by_name["classifier.weight"] == by_name["attention.0.weight"] == 1.0
    assert by_name["backbone.body.blocks.3.0.conv_pw.weight"] == pytest.approx(0.1)
    assert by_name["backbone.body.blocks.2.0.conv_pw.weight"] == pytest.approx(0.05)
    assert by_name["backbone.body.conv_stem.weight"] == pytest.approx(0.1 * 0.5**5)
    assert len(parameter_groups(network, Recipe().optimisation)) == 1


@pytest.mark.slow
def test_scaled_learning_rate_moves_the_backbone_less(
    tiny: tuple[str, ...], tiny_manifest: Manifest, tmp_path: Path
) -> None:
    def moved(scale: float) -> float:
        recipe = recipe_of(tiny, f"optimisation.backbone_lr_scale={scale}", "optimisation.weight_decay=0")
        train_model(recipe, tiny_manifest, tmp_path / str(scale))
        start, end = build_initial_network(recipe, 2), load_network(tmp_path / str(scale) / "model")[0]
        pairs = zip(start.backbone.parameters(), end.backbone.parameters(), strict=True)
        return max(float((before - after).detach().abs().max()) for before, after in pairs)

    assert moved(0.0) == 0.0
    assert 0.0 < moved(0.1) < 0.5 * moved(1.0)


@pytest.mark.parametrize(
    ("overrides", "classes", "message"),
    [
        (["blast_class=blast"], ("all", "hem"), "`blast_class`: 'blast' is not a class of the data"),
        (["class_titles={blast: lymphoblast}"], ("all", "hem"), "`class_titles`: 'blast' is not a class of the data"),
        ([], ("all", "vote"), "would appear twice, rename the class"),
        ([], ("all", "all"), "would appear twice, rename the class"),
    ],
)
def test_classes_are_checked_before_training(
    tiny: tuple[str, ...], overrides: list[str], classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(LymphoscopeError, match=message):
        check_recipe(load_recipe("quick", [*tiny, *overrides]), classes)
