"""A result -> its page, CSV and JSON beside each other."""

import csv
import io
from importlib import resources
from pathlib import Path
from typing import Any

from lymphoscope.experiments.result import Column, Number, Picture, Result, Row
from lymphoscope.files import write_text
from lymphoscope.reports.drawing import file_uri
from lymphoscope.reports.page import page_environment, sorting_script

CSV_COLUMNS = [
    "row",
    "column",
    "unit",
    "ours",
    "low",
    "high",
    "spread",
    "published",
    "published_spread",
    "verdict",
    "reason",
]


def write_result(result: Result, folder: Path) -> Path:
    """Write NAME.html, NAME.csv and NAME.json; return the page, which refers to nothing outside itself."""
    write_text(folder / f"{result.name}.json", result.model_dump_json(indent=2) + "\n")
    write_text(folder / f"{result.name}.csv", _csv(result))
    page = folder / f"{result.name}.html"
    write_text(page, render_result(result, folder))
    return page


def render_result(result: Result, folder: Path) -> str:
    """The page as text; its pictures are read from `folder`."""
    styles = (resources.files("lymphoscope.reports") / "templates" / "report.css").read_text(encoding="utf-8")
    environment = page_environment("lymphoscope.experiments")
    environment.filters["shown"] = shown
    environment.filters["range"] = interval
    pictures = [_picture(picture, folder) for picture in result.pictures]
    failed = [run for run in result.runs if run.state == "failed"]
    spent = sum(run.seconds or 0 for run in result.runs)
    return environment.get_template("result.html.j2").render(
        result=result,
        pictures=pictures,
        failed=failed,
        spent=spent,
        script=sorting_script(),
        styles=styles,
        columns={column.key: column for column in result.columns},
    )


def shown(value: float | None, column: Column) -> str:
    """A number as its column shows it."""
    return "none" if value is None else f"{value:,.{column.digits}f}"


def interval(number: Number, column: Column) -> str:
    """The interval of a number, or its deviation over folds, or why there is neither."""
    if number.value is None:
        return number.reason or ""
    if number.low is not None and number.high is not None:
        return f"{shown(number.low, column)} to {shown(number.high, column)}"
    if number.spread is not None:
        return f"± {shown(number.spread, column)}"
    return f"no interval: {number.reason}" if number.reason else ""


def as_text(result: Result) -> str:
    """The table for a terminal: ours, and the paper's in brackets; nothing for a result without rows."""
    if not result.rows:
        return ""
    head = ["", *(f"{column.title}{f', {column.unit}' if column.unit else ''}" for column in result.columns), "verdict"]
    lines = [head, *(_line(row, result.columns) for row in result.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    padded = ([word.ljust(width) for word, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _line(row: Row, columns: list[Column]) -> list[str]:
    cells = [_cell(row.ours.get(column.key), row.published.get(column.key), column) for column in columns]
    return [row.name, *cells, row.verdict]


def _cell(number: Number | None, printed: float | None, column: Column) -> str:
    ours = "none" if number is None else shown(number.value, column)
    if number is not None and number.low is not None and number.high is not None:
        ours += f" ({interval(number, column).replace(' to ', '-')})"
    elif number is not None and number.spread is not None:
        ours += f" ± {shown(number.spread, column)}"
    return f"{ours} [{printed:.2f}]" if printed is not None else ours


def _picture(picture: Picture, folder: Path) -> dict[str, Any]:
    return {**picture.model_dump(), "uri": file_uri(folder / picture.file)}


def _csv(result: Result) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["row", "column", "unit", "ours", "low", "high", "spread", "published", "published_spread", "verdict", "reason"]
    )
    for row in result.rows:
        for column in result.columns:
            ours = row.ours.get(column.key) or Number(value=None)
            printed, deviation = row.published.get(column.key), row.published_spread.get(column.key)
            numbers = [ours.value, ours.low, ours.high, ours.spread, printed, deviation]
            writer.writerow([row.name, column.key, column.unit, *numbers, row.verdict, ours.reason or ""])
    return stream.getvalue()
