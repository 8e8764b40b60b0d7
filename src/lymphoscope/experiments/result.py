"""What an experiment came to: our numbers beside the published ones; its page, CSV and JSON are written from it."""

from typing import Literal

from pydantic import Field

from lymphoscope.strict_model import StrictModel


class Number(StrictModel):
    """One of our numbers, in the unit of its column.

    `low` to `high` is its 95 % interval, `spread` the standard deviation over folds; `reason` says why the value, or
    else its interval, is None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    reason: str | None = None


class Column(StrictModel):
    """A column of the table; `unit` is that of the paper's (a percentage is 0-100), `digits` the decimals shown."""

    key: str
    title: str
    unit: Literal["%", "M", "G", "min", "s", ""] = ""
    digits: int = 2


class Row(StrictModel):
    """A row: ours by column key, and what the paper prints, where it prints something. `verdict` compares in words."""

    name: str
    ours: dict[str, Number]
    published: dict[str, float] = Field(default={})
    published_spread: dict[str, float] = Field(default={})
    verdict: str = ""


class Comparison(StrictModel):
    """A paired test of a row against another: `difference` is row less `against`, in the unit of `column`."""

    row: str
    against: str
    column: str
    difference: Number
    p: float | None
    test: str


class Picture(StrictModel):
    """A figure in the result's folder: its file, a caption, and its words for who cannot see it."""

    file: str
    caption: str
    alternative: str


class RunState(StrictModel):
    """One training of a grid: where it lies below the result's folder, and how it ended (`reason` where it failed)."""

    name: str
    folder: str
    state: Literal["done", "failed", "waiting"]
    seconds: float | None = None
    reason: str | None = None


class Result(StrictModel):
    """All that an experiment's page shows.

    `claim` is what the paper says, `protocol` how it was done here, `limited` each limit in a sentence, `missing` each
    thing that this machine or these cells lack, and how to bring it. `facts` are further numbers in sentences.
    """

    name: str
    title: str
    claim: str
    protocol: list[str]
    limited: list[str] = Field(default=[])
    missing: list[str] = Field(default=[])
    columns: list[Column] = Field(default=[])
    rows: list[Row] = Field(default=[])
    comparisons: list[Comparison] = Field(default=[])
    facts: list[str] = Field(default=[])
    pictures: list[Picture] = Field(default=[])
    runs: list[RunState] = Field(default=[])
    data: dict[str, str] = Field(default={})
    command: str = ""
    commit: str | None = None
    device: str = ""
    date: str = ""
