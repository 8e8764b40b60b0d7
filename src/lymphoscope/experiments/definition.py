"""An experiment as data: a YAML file of `definitions` names its runs as recipes, and what the paper prints of each."""

from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import Field

from lymphoscope.errors import LymphoscopeError
from lymphoscope.strict_model import StrictModel

_FOLDER = resources.files("lymphoscope.experiments") / "definitions"


class RunDefinition(StrictModel):
    """A row of the grid: a recipe, and what the paper prints of it, by column.

    `preset` is the experiment's where it is None. `test_time_of` names the run whose trained models this one takes,
    with other `test_time` keys: nothing is trained for it.
    """

    title: str
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    test_time_of: str | None = None
    cells: Literal["all", "offline", "final"] = "all"
    against: str | None = None
    published: dict[str, float] = Field(default={})
    published_spread: dict[str, float] = Field(default={})


class Definition(StrictModel):
    """An experiment. `folds` 0 is one split; `against` is the run that every other is compared with.

    `own_backbones`: the runs name their backbones, and --backbone replaces them all by one.
    """

    title: str
    claim: str
    protocol: list[str]
    kind: Literal["grid", "picture"] = "grid"
    preset: str = "paper"
    overrides: tuple[str, ...] = ()
    folds: int = 5
    against: str | None = None
    columns: list[str] = Field(default=[])
    own_backbones: bool = False
    facts: list[str] = Field(default=[])
    runs: dict[str, RunDefinition] = Field(default={})


def experiment_names() -> list[str]:
    """Every experiment that `lymphoscope reproduce` takes, the ledger left out."""
    return sorted(item.name.removesuffix(".yaml") for item in _FOLDER.iterdir() if item.name.endswith(".yaml"))


@cache
def load_definition(name: str) -> Definition:
    """Read an experiment. Raises LymphoscopeError for a name that is none."""
    if name not in experiment_names():
        raise LymphoscopeError(f"no experiment {name!r}: choose one of {', '.join(experiment_names())} or ledger")
    tree: Any = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return Definition.model_validate(tree)
