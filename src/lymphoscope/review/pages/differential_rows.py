"""The differential as rows of a table: each class as suggested and as confirmed."""

from typing import Any

from lymphoscope.review.pages.report_contents import Row, Share
from lymphoscope.smear.cell_classes import in_table_order


def paired_rows(differential: dict[str, Any]) -> tuple[Row, ...]:
    """Return the classes of both counts, in the order of the table of classes; those without cells are left out."""
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
