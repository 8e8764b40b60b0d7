"""The definitions agree with the paper's printed numbers and name valid recipes, columns and additions."""

from pathlib import Path

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import Request, experiment_names, load_definition
from lymphoscope.experiments.columns import column
from lymphoscope.experiments.grid import build_grid
from lymphoscope.experiments.runner import ADDITIONS, FIGURES

GRIDS = [name for name in experiment_names() if not load_definition(name).figure]


def test_every_table_and_figure_has_a_definition() -> None:
    tables, figures = {f"table{n}" for n in (1, 2, 3, 4)}, {f"figure{n}" for n in (2, 3, 4, 5, 6, 7)}
    assert set(experiment_names()) >= tables | figures | {"ablations", "split"}


@pytest.mark.parametrize("name", GRIDS)
def test_every_run_is_a_valid_recipe_and_every_column_exists(name: str) -> None:
    definition = load_definition(name)
    runs = build_grid(definition, Request(name, None, Path()))
    assert list(dict.fromkeys(run.name for run in runs)) == list(definition.runs)
    assert all(column(key).key == key for key in definition.columns)
    for run in definition.runs.values():
        assert {run.against, run.test_time_of, definition.against} - {None} <= set(definition.runs)
        assert set(run.published) <= set(definition.columns)
    assert set(definition.additions) <= set(ADDITIONS)


def test_every_figure_can_be_drawn() -> None:
    names = [load_definition(name).figure for name in experiment_names() if name not in GRIDS]
    assert set(names) == set(FIGURES)


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(LymphoscopeError, match="no column 'f2': the columns are accuracy"):
        column("f2")


def test_runs_of_table_1_differ_only_in_augmentation() -> None:
    runs = build_grid(load_definition("table1"), Request("table1", None, Path()))
    recipes = [run.recipe.model_dump() for run in runs]
    differing = {key for key in recipes[0] if len({str(recipe[key]) for recipe in recipes}) > 1}
    assert differing == {"streams", "comparison"}
    assert len({recipe["comparison"] for recipe in recipes}) == 8


def test_an_ablation_changes_one_choice_of_the_run_it_is_compared_with() -> None:
    definition = load_definition("ablations")
    runs = {run.name: run for run in build_grid(definition, Request("ablations", None, Path()))}
    for name, run in runs.items():
        other = runs[run.definition.against or "paper"]
        if name in ("paper", "wsdan"):
            continue
        pairs = {key: value for key, value in _leaves(run.recipe.model_dump()).items() if key != "name"}
        changed = {key for key, value in pairs.items() if _leaves(other.recipe.model_dump()).get(key) != value}
        # One fill for training and test; the mean of fewer streams is never a vote.
        allowed = ({"attention.fill", "test_time.fill"}, {"test_time.streams", "test_time.decision"})
        assert len(changed) == 1 or changed in allowed, (name, changed)


def _leaves(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    leaves: dict[str, object] = {}
    for key, value in tree.items():
        leaves |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def test_the_gains_of_table_3_are_those_of_the_text() -> None:
    runs = load_definition("table3").runs
    gains = [
        runs[f"{name}_with"].published["weighted_f1"] - runs[f"{name}_without"].published["weighted_f1"]
        for name in ("resnet18", "mobilenet_v2", "inception_v1")
    ]
    assert gains == pytest.approx([22.53, 31.8, 12.51])  # section 3.6
    assert len(runs) == 20


def test_limits_apply_to_every_recipe() -> None:
    from lymphoscope.experiments import Limits

    limits = Limits(epochs=3, folds=2, backbone="test_resnet", overrides=("data.size=64",))
    for run in build_grid(load_definition("ablations"), Request("ablations", None, Path(), limits)):
        recipe = run.recipe
        assert (recipe.optimisation.epochs, recipe.model.backbone, recipe.data.size) == (3, "test_resnet", 64)
        assert run.folds == 2


def test_unknown_names_are_refused() -> None:
    with pytest.raises(LymphoscopeError, match="no experiment 'table9'"):
        load_definition("table9")
    with pytest.raises(LymphoscopeError, match=r"--only plane: table1 has no such run. Its runs: plain"):
        build_grid(load_definition("table1"), Request("table1", None, Path(), only=("plane",)))
