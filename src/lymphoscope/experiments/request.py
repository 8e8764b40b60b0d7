"""What a person asks of an experiment."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """How an experiment is made to fit a machine; None leaves the protocol as the paper has it.

    `overrides` are `a.b=c` for every recipe, after those of the experiment. Each limit stands on the result's page.
    """

    epochs: int | None = None
    cells: int | None = None
    folds: int | None = None
    backbone: str | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """An experiment by name, on the cells of `data` (words of a source), written to the folder `out`.

    `model` is a trained model's folder, for the figures that look at one; None for the model that ships. `only` names
    the runs of a grid to do now, all without; `jobs` runs go side by side as processes, or on a Ray cluster.
    """

    name: str
    data: str | None
    out: Path
    limits: Limits = Limits()
    model: Path | None = None
    subject_pattern: str | None = None
    only: tuple[str, ...] = ()
    jobs: int = 1
    ray: bool = False
