"""The definitions against the paper's printed numbers, and against the recipes that they name."""

from pathlib import Path

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import Request, experiment_names, load_definition
from lymphoscope.experiments.columns import column
from lymphoscope.experiments.grid import grid_of

GRIDS = [name for name in experiment_names() if load_definition(name).kind == "grid"]


def test_every_table_and_figure_is_there() -> None:
    tables, figures = {f"table{n}" for n in (1, 2, 3, 4)}, {f"figure{n}" for n in (2, 3, 4, 5, 6, 7)}
    assert set(experiment_names()) == tables | figures | {"ablations", "split"}


@pytest.mark.parametrize("name", GRIDS)
def test_every_run_is_a_recipe_and_every_column_is_known(name: str) -> None:
    definition = load_definition(name)
    runs = grid_of(definition, Request(name, None, Path()))
    assert [run.name for run in runs] == list(definition.runs)
    assert all(column(key).key == key for key in definition.columns)
    for run in definition.runs.values():
        assert {run.against, run.test_time_of, definition.against} - {None} <= set(definition.runs)
        assert set(run.published) <= set(definition.columns)


def test_table_1_differs_by_its_augmentation_alone() -> None:
    runs = grid_of(load_definition("table1"), Request("table1", None, Path()))
    recipes = [run.recipe.model_dump() for run in runs]
    differing = {key for key in recipes[0] if len({str(recipe[key]) for recipe in recipes}) > 1}
    assert differing == {"streams", "comparison"}
    assert len({recipe["comparison"] for recipe in recipes}) == 8


def test_an_ablation_differs_from_what_it_is_compared_with_by_one_choice() -> None:
    definition = load_definition("ablations")
    runs = {run.name: run for run in grid_of(definition, Request("ablations", None, Path()))}
    for name, run in runs.items():
        other = runs[run.definition.against or "paper"]
        if name in ("paper", "wsdan"):
            continue
        pairs = {key: value for key, value in _leaves(run.recipe.model_dump()).items() if key != "name"}
        changed = {key for key, value in pairs.items() if _leaves(other.recipe.model_dump()).get(key) != value}
        # One fill for training and test; the mean of fewer streams is never a vote.
        allowed = ({"attention.fill", "test_time.fill"}, {"test_time.streams", "test_time.decision"})
        assert len(changed) == 1 or changed in allowed, (name, changed)


def _leaves(tree: dict[str, object], above: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in tree.items():
        found |= _leaves(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def test_the_means_of_table_3_are_typed_as_printed() -> None:
    runs = load_definition("table3").runs
    gains = [
        runs[f"{name}_with"].published["weighted_f1"] - runs[f"{name}_without"].published["weighted_f1"]
        for name in ("resnet18", "mobilenet_v2", "inception_v1")
    ]
    assert gains == pytest.approx([22.53, 31.8, 12.51])  # section 3.6
    assert len(runs) == 20


def test_limits_reach_every_recipe() -> None:
    from lymphoscope.experiments import Limits

    limits = Limits(epochs=3, folds=2, backbone="test_resnet", overrides=("data.size=64",))
    for run in grid_of(load_definition("ablations"), Request("ablations", None, Path(), limits)):
        recipe = run.recipe
        assert (recipe.optimisation.epochs, recipe.model.backbone, recipe.data.size) == (3, "test_resnet", 64)
        assert run.folds == 2


def test_unknown_names_are_refused() -> None:
    with pytest.raises(LymphoscopeError, match="no experiment 'table9'"):
        load_definition("table9")
    with pytest.raises(LymphoscopeError, match="--only plane: the runs of table1 are plain"):
        grid_of(load_definition("table1"), Request("table1", None, Path(), only=("plane",)))
