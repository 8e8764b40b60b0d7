"""An experiment as data: a YAML file in `definitions` lists its runs as recipes, and what the paper prints of each.

Adding an experiment means adding one YAML file: every command and parametrised test finds it by its name.
"""

from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import Field

from lymphoscope.errors import LymphoscopeError
from lymphoscope.strict_model import StrictModel
from lymphoscope.vocabulary import STREAMS, Stream

_FOLDER = resources.files("lymphoscope.experiments") / "definitions"

Phases = Literal["offline", "final"]
"""Table 2's two protocols over the phases of C-NMC: `offline` tests on Phase-II, `final` predicts Phase-III."""


class RunDefinition(StrictModel):
    """A row of the grid: a recipe, and what the paper prints of it, by column."""

    title: str = Field(description="Name of the row in tables and figures.")
    preset: str | None = Field(default=None, description="Recipe to start from; the experiment's by default.")
    overrides: tuple[str, ...] = Field(default=(), description="Keys of the recipe to change, as `a.b=c`.")
    test_time_of: str | None = Field(
        default=None, description="Run whose trained models are tested with other `test_time` keys; nothing is trained."
    )
    cells: Literal["all", "offline", "final"] = Field(
        default="all", description="Which phases of C-NMC train and test; `all` takes the cells as they are."
    )
    trained_streams: tuple[Stream, ...] = Field(
        default=STREAMS, description="Streams whose losses are minimised; only with `frozen_heads`."
    )
    against: str | None = Field(default=None, description="Run to compare with; the experiment's by default.")
    published: dict[str, float] = Field(default={}, description="The paper's numbers, by column.")
    published_spread: dict[str, float] = Field(default={}, description="The paper's deviations, by column.")
    another_network: str | None = Field(
        default=None,
        description="Why the network here is not the paper's, if it is not; its numbers then do not compare.",
    )


class Definition(StrictModel):
    """An experiment: what the paper claims, how it is repeated here, and its runs."""

    title: str = Field(description="Title of the result's page.")
    claim: str = Field(description="What the paper says.")
    protocol: list[str] = Field(description="How it is done here, one sentence per choice.")
    preset: str = Field(default="paper", description="Recipe that every run starts from.")
    overrides: tuple[str, ...] = Field(default=(), description="Keys changed in every recipe, as `a.b=c`.")
    folds: int = Field(default=5, description="Folds of the cross-validation by subject; 0 is one split.")
    seeds: int = Field(default=1, ge=1, description="Trainings of every run with different seeds.")
    frozen_heads: bool = Field(
        default=False, description="Train only heads, all seeds together, on the features of a frozen backbone."
    )
    against: str | None = Field(default=None, description="Run that every other run is compared with.")
    compared: list[str] = Field(default=["weighted_f1"], description="Metrics that runs are compared by.")
    columns: list[str] = Field(default=[], description="Columns of the table, by key.")
    additions: list[str] = Field(default=[], description="What else the result shows, by the name of the addition.")
    figure: str | None = Field(default=None, description="How to draw a figure of cells; None for a grid of runs.")
    own_backbones: bool = Field(
        default=False, description="Each run names its own backbone; --backbone replaces them all by one."
    )
    facts: list[str] = Field(default=[], description="Sentences that the page adds.")
    runs: dict[str, RunDefinition] = Field(default={}, description="The rows of the grid, by name.")


def experiment_names() -> list[str]:
    """Every experiment that `lymphoscope reproduce` runs; the ledger is not one of them."""
    return sorted(item.name.removesuffix(".yaml") for item in _FOLDER.iterdir() if item.name.endswith(".yaml"))


@cache
def load_definition(name: str) -> Definition:
    """Read the definition of an experiment. Raises LymphoscopeError for an unknown name."""
    if name not in experiment_names():
        raise LymphoscopeError(f"no experiment {name!r}: choose one of {', '.join(experiment_names())} or ledger")
    tree: Any = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return Definition.model_validate(tree)
