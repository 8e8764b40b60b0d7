"""What an experiment came to: our numbers beside the published ones; its page, CSV and JSON are written from it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    """Unknown keys are refused by name, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Number(_Part):
    """One of our numbers, in the unit of its column.

    `low` to `high` is its 95 % interval, `spread` the standard deviation over folds; `reason` says why the value, or
    else its interval, is None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    reason: str | None = None


class Column(_Part):
    """A column of the table; `unit` is that of the paper's (a percentage is 0-100), `digits` the decimals shown."""

    key: str
    title: str
    unit: Literal["%", "M", "G", "min", "s", ""] = ""
    digits: int = 2


class Row(_Part):
    """A row: ours by column key, and what the paper prints, where it prints something. `verdict` compares in words."""

    name: str
    ours: dict[str, Number]
    published: dict[str, float] = {}
    published_spread: dict[str, float] = {}
    verdict: str = ""


class Comparison(_Part):
    """A paired test of a row against another: `difference` is row less `against`, in the unit of `column`."""

    row: str
    against: str
    column: str
    difference: Number
    p: float | None
    test: str


class Picture(_Part):
    """A figure in the result's folder: its file, a caption, and its words for who cannot see it."""

    file: str
    caption: str
    alternative: str


class RunState(_Part):
    """One training of a grid: where it lies below the result's folder, and how it ended (`reason` where it failed)."""

    name: str
    folder: str
    state: Literal["done", "failed", "waiting"]
    seconds: float | None = None
    reason: str | None = None


class Result(_Part):
    """All that an experiment's page shows.

    `claim` is what the paper says, `protocol` how it was done here, `limited` each limit in a sentence, `missing` each
    thing that this machine or these cells lack, and how to bring it. `facts` are further numbers in sentences.
    """

    name: str
    title: str
    claim: str
    protocol: list[str]
    limited: list[str] = []
    missing: list[str] = []
    columns: list[Column] = []
    rows: list[Row] = []
    comparisons: list[Comparison] = []
    facts: list[str] = []
    pictures: list[Picture] = []
    runs: list[RunState] = []
    data: dict[str, str] = {}
    command: str = ""
    commit: str | None = None
    device: str = ""
    date: str = ""
