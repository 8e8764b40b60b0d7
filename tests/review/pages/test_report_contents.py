"""Rows of the count: in the order of the table of classes, whatever the order and the gaps of either count."""

from lymphoscope.review.pages.report_contents import Share, paired_rows


def table(**counts: int) -> dict[str, object]:
    total = sum(counts.values())
    classes = [
        {
            "name": name,
            "title": name,
            "counted": "white_cell",
            "count": count,
            "percent": 100 * count / total,
            "low": 1.0,
            "high": 99.0,
        }
        for name, count in counts.items()
    ]
    return {"white_cells": total, "classes": classes}


def test_each_class_has_one_row_with_both_counts() -> None:
    rows = paired_rows({"before": table(unidentified=3, monocyte=1), "after": table(monocyte=2, blast=2, lymphocyte=0)})
    assert [row.title for row in rows] == ["blast", "monocyte", "unidentified"]
    assert rows[0].suggested is None
    assert rows[0].confirmed == Share(2, 50.0, 1.0, 99.0)
    assert str(rows[1].suggested) == "25.0 (1.0 to 99.0), n 1"
