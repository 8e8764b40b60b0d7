"""A number and its interval, and the groups of numbers that every judgement is made of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Unknown keys are refused by name, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(Section):
    """A number with its 95 % interval; `reason` says why the value, or else its interval, is None."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Difference(Section):
    """One score less the other on the same cells, its paired 95 % interval, and the two-sided p of no difference.

    `one` and `other` are the two scores.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str | None = None
    one: float | None = None
    other: float | None = None


class Scores(Section):
    """What is said of a classifier; `cells` where it saw only some of them, `note` why."""

    accuracy: Measured
    weighted_f1: Measured
    auc: Measured
    balanced_accuracy: Measured
    sensitivity: Measured
    specificity: Measured
    cells: int | None = None
    note: str | None = None


class Bootstrap(Section):
    """How the intervals were drawn: over subjects, class by class, or over cells where no subjects are known."""

    unit: Literal["subject", "cell"]
    replicates: int
    seed: int
    level: float
    note: str | None = None


class McNemar(Section):
    """Cells that one vote has right and the other wrong, each way, and the exact two-sided p."""

    only_one_right: int
    only_other_right: int
    p: float


class PredictionComparison(Section):
    """Two predictions of the same cells: differences one - other by metric, McNemar's and DeLong's tests."""

    cells: int
    subjects: int
    bootstrap: Bootstrap
    differences: dict[str, Difference]
    mcnemar: McNemar
    delong: Difference
