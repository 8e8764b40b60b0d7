"""The result of an experiment: our numbers beside the published ones. Its page, CSV and JSON are written from it."""

from typing import Literal

from pydantic import Field

from lymphoscope.strict_model import StrictModel


class Number(StrictModel):
    """One of our numbers, in the unit of its column."""

    value: float | None = Field(description="The number; None if it could not be computed.")
    low: float | None = Field(default=None, description="Lower end of its 95 % interval.")
    high: float | None = Field(default=None, description="Upper end of its 95 % interval.")
    spread: float | None = Field(default=None, description="Standard deviation over folds, or over seeds.")
    reason: str | None = Field(default=None, description="Why the value, or otherwise its interval, is None.")


class Column(StrictModel):
    """A column of the table."""

    key: str = Field(description="Its name in the CSV and JSON.")
    title: str = Field(description="Its heading.")
    unit: Literal["%", "M", "G", "min", "s", ""] = Field(default="", description="The paper's; a percentage is 0-100.")
    digits: int = Field(default=2, description="Decimals shown.")


class Row(StrictModel):
    """A row of the table: our numbers beside the paper's, by column."""

    name: str = Field(description="Title of the run.")
    ours: dict[str, Number] = Field(description="Our numbers.")
    published: dict[str, float] = Field(default={}, description="The paper's numbers, where it prints some.")
    published_spread: dict[str, float] = Field(default={}, description="The paper's deviations.")
    verdict: str = Field(default="", description="How the two compare, in words.")


class Comparison(StrictModel):
    """A paired test of one row against another on the same held-out cells."""

    row: str = Field(description="The first row.")
    against: str = Field(description="The second row.")
    column: str = Field(description="The metric that is compared.")
    difference: Number = Field(description="First minus second, in the unit of the column.")
    p: float | None = Field(description="Two-sided p value, not corrected for the number of tests.")
    p_adjusted: float | None = Field(default=None, description="The p value after Holm's correction over the table.")
    test: str = Field(description="The test, and what it compares.")

    @property
    def is_paired(self) -> bool:
        """Whether it tests a difference of scores; that of the discordant cells has none."""
        return self.difference.value is not None or self.difference.reason is not None


class Figure(StrictModel):
    """A figure in the result's folder."""

    file: str = Field(description="File name.")
    caption: str = Field(description="What it shows.")
    alt_text: str = Field(description="Text for readers who cannot see it.")


class RunState(StrictModel):
    """One training of a grid and how it ended."""

    name: str = Field(description="Title of the run, with its fold.")
    folder: str = Field(description="Its folder, relative to the result's.")
    state: Literal["done", "failed", "waiting"] = Field(description="How it ended.")
    seconds: float | None = Field(default=None, description="Time spent, over all attempts.")
    reason: str | None = Field(default=None, description="Why it failed.")


class Result(StrictModel):
    """Everything that an experiment's page shows."""

    name: str = Field(description="Name of the experiment.")
    title: str = Field(description="Title of the page.")
    claim: str = Field(description="What the paper says.")
    protocol: list[str] = Field(description="How it was done here.")
    limited: list[str] = Field(default=[], description="Each way in which this is less than the experiment.")
    missing: list[str] = Field(default=[], description="What this machine or these cells lack, and how to add it.")
    columns: list[Column] = Field(default=[], description="Columns of the table.")
    rows: list[Row] = Field(default=[], description="Rows of the table.")
    comparisons: list[Comparison] = Field(default=[], description="Paired tests between rows.")
    facts: list[str] = Field(default=[], description="Further numbers, in sentences.")
    figures: list[Figure] = Field(default=[], description="Figures of the page.")
    runs: list[RunState] = Field(default=[], description="Every training and how it ended.")
    data: dict[str, str] = Field(default={}, description="The cells: how many, of whom, from where.")
    command: str = Field(default="", description="The command that made it.")
    commit: str | None = Field(default=None, description="The commit of the code, if it ran from a checkout.")
    device: str = Field(default="", description="The processor or GPU.")
    date: str = Field(default="", description="When it was made.")
