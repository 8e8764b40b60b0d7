"""A number and its interval, and the groups of numbers that every judgement is made of."""

from typing import Literal

from lymphoscope.vocabulary import StrictModel


class Estimate(StrictModel):
    """A number with its 95 % interval; `reason` says why the value, or else its interval, is None."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Difference(StrictModel):
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


class Scores(StrictModel):
    """What is said of a classifier; `cells` where it saw only some of them, `note` why."""

    accuracy: Estimate
    weighted_f1: Estimate
    auc: Estimate
    balanced_accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate
    cells: int | None = None
    note: str | None = None


class Bootstrap(StrictModel):
    """How the intervals were drawn: over subjects, class by class, or over cells where no subjects are known."""

    unit: Literal["subject", "cell"]
    replicates: int
    seed: int
    level: float
    note: str | None = None


class McNemar(StrictModel):
    """Cells that one vote has right and the other wrong, each way, and the exact two-sided p."""

    only_one_right: int
    only_other_right: int
    p: float


class PredictionComparison(StrictModel):
    """Two predictions of the same cells: differences one - other by metric, McNemar's and DeLong's tests."""

    cells: int
    subjects: int
    bootstrap: Bootstrap
    differences: dict[str, Difference]
    mcnemar: McNemar
    delong: Difference
