"""What a report says, ready to be printed: the HTML page and the PDF show the same."""

from dataclasses import dataclass
from typing import Any

from lymphoscope.smear.cell_classes import in_table_order

NOT_A_DEVICE = (
    "Research software, not a medical device. This is not a diagnosis, and no one should be treated based on it."
)


@dataclass(frozen=True)
class Share:
    """A count, its percentage of the white cells and the 95 % interval of it; None where there are no white cells."""

    count: int
    percent: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.percent is None:
            return f"n {self.count}"
        interval = "" if self.low is None or self.high is None else f" ({self.low:.1f} to {self.high:.1f})"
        return f"{self.percent:.1f}{interval}, n {self.count}"


@dataclass(frozen=True)
class Row:
    """A class of the count: as the model suggested, and as confirmed by a person."""

    title: str
    per_100: bool
    """Given per 100 white cells, and no part of them."""
    suggested: Share | None
    confirmed: Share | None


@dataclass(frozen=True)
class Signed:
    """A signature as it is printed."""

    display_name: str
    name: str
    at: str
    revision: int
    meaning: str
    override_reason: str | None
    content_hash: str


@dataclass(frozen=True)
class Report:
    """A report of one reading. `facts` are pairs of a name and a value, in order."""

    title: str
    standing: str
    """`preliminary`, `final` or `amended`."""
    synthetic: bool
    facts: tuple[tuple[str, str], ...]
    white_cells: int
    target: int
    partial: bool
    """Whether the model's count is only of the first white cells, up to the target of the smear."""
    rows: tuple[Row, ...]
    signatures: tuple[Signed, ...]
    agreement: tuple[tuple[str, str], ...]
    comments: tuple[str, ...]
    head: tuple[int, str]
    """The audit chain's last event and its hash."""
    made: str

    @property
    def preliminary(self) -> bool:
        """Whether nobody has signed this reading."""
        return self.standing == "preliminary"


def paired_rows(differential: dict[str, Any]) -> tuple[Row, ...]:
    """Return the rows of a differential, classes as suggested and as confirmed, in the order of the table of classes.

    Classes without cells are left out.
    """
    before, after = (
        {one["name"]: one for one in differential[name]["classes"] if one["count"]} for name in ("before", "after")
    )
    order = in_table_order(list({**before, **after}))
    return tuple(_row(before.get(name), after.get(name)) for name in order)


def _row(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Row:
    known: dict[str, Any] = after or before or {}
    counted = known["counted"]
    return Row(known["title"], counted == "per_100_white_cells", _share(before), _share(after))


def _share(row: dict[str, Any] | None) -> Share | None:
    return None if row is None else Share(row["count"], row["percent"], row["low"], row["high"])
