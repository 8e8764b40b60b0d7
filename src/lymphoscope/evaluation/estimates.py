"""A number with its interval, and the groups of numbers that evaluations are made of."""

from typing import Literal

from pydantic import Field

from lymphoscope.strict_model import StrictModel

Scale = Literal["share", "bounded", "positive", "biased", "real", "coefficient", "difference"]
"""The range of a number.

share: of cells, 0-1; bounded: 0-1; positive: from 0; biased: one of which no interval holds; real: any number;
coefficient: of a regression, any number.
"""


class Estimate(StrictModel):
    """A number with its 95 % interval, or the reason why the value, or else its interval, is missing."""

    value: float | None = Field(description="The number; null where it is undefined.")
    low: float | None = Field(default=None, description="Lower end of the 95 % interval.")
    high: float | None = Field(default=None, description="Upper end of the 95 % interval.")
    p: float | None = Field(
        default=None,
        exclude_if=lambda p: p is None,
        description="Two-sided p value of the number being 0; only where the number is a difference.",
    )
    reason: str | None = Field(default=None, description="Why the value, or else its interval, is missing.")


class Difference(Estimate):
    """One score minus another on the same cells, with a paired interval."""

    one: float | None = Field(default=None, description="The first score.")
    other: float | None = Field(default=None, description="The second score.")
    p_reason: str | None = Field(default=None, description="Why there is no `p`, where there is a value.")
    p_holm: float | None = Field(
        default=None, description="`p` adjusted for all differences of the table, by Holm's method."
    )


class Scores(StrictModel):
    """The scores of a classifier: one estimate per metric of the registry (`evaluation.METRICS`), by name."""

    estimates: dict[str, Estimate] = Field(description="The estimate of each metric, by its name.")
    cells: int | None = Field(default=None, description="Number of cells, where the scores are of some cells only.")
    note: str | None = Field(default=None, description="Which cells the scores are of, where not all.")

    def __getitem__(self, metric: str) -> Estimate:
        return self.estimates[metric]


class Bootstrap(StrictModel):
    """How the bootstrap samples for the intervals were drawn."""

    unit: Literal["subject", "cell"] = Field(
        description="What was drawn: whole subjects, among those with cells of the same classes, or cells where some "
        "cell has no subject."
    )
    units: int = Field(description="How many there are to draw from; subjects who share a cell are one.")
    linked_subjects: list[list[str]] | None = Field(
        default=None,
        description="Subjects who share a cell and are drawn together; null where shared cells were not looked for.",
    )
    replicates: int = Field(description="Number of bootstrap replicates.")
    seed: int = Field(description="Seed of the draws.")
    level: float = Field(description="Coverage that the intervals aim at, 0-1.")
    note: str | None = Field(default=None, description="A limit of these intervals, if there is one.")


class DiscordantCells(StrictModel):
    """The cells that only one of two predictions has right, tested by flipping the sign of whole subjects."""

    only_one_right: int = Field(description="Cells that only the first predicts as labelled.")
    only_other_right: int = Field(description="Cells that only the second predicts as labelled.")
    p: float | None = Field(description="Two-sided p value of equal accuracy: sign-flip permutation over subjects.")
    reason: str | None = Field(default=None, description="Why there is no test.")


class AucTest(StrictModel):
    """Two areas under the ROC curve of the positive class, tested by exchanging the models on whole subjects."""

    one: float | None = Field(default=None, description="The area of the first prediction.")
    other: float | None = Field(default=None, description="The area of the second.")
    p: float | None = Field(
        default=None, description="Two-sided p value of equal areas: sign-flip permutation over subjects."
    )
    reason: str | None = Field(default=None, description="Why there is no test.")


class PredictionComparison(StrictModel):
    """Two predictions of the same cells: the differences by metric, and tests that allow for similar cells."""

    cells: int = Field(description="Number of cells with a label and a prediction in both tables.")
    subjects: int = Field(description="Number of subjects of these cells.")
    bootstrap: Bootstrap = Field(description="How the bootstrap samples were drawn.")
    differences: dict[str, Difference] = Field(description="First minus second, by metric.")
    discordant: DiscordantCells = Field(description="Test of the predicted classes, in place of McNemar's.")
    auc_test: AucTest = Field(description="Test of the AUC, in place of DeLong's.")
