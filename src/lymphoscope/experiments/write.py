"""A result -> its page, CSV and JSON beside each other."""

import csv
import io
from importlib import resources
from pathlib import Path
from typing import Any

from lymphoscope.experiments.result import Column, Number, Picture, Result
from lymphoscope.files import write_text
from lymphoscope.reports.page import page_environment, sorting_script
from lymphoscope.reports.plotting import file_uri

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
        caption=_caption(result),
        pictures=pictures,
        failed=failed,
        spent=spent,
        script=sorting_script(),
        styles=styles,
        columns={column.key: column for column in result.columns},
    )


def _caption(result: Result) -> str:
    """What stands below a number in the table; a single cell's score has nothing below it."""
    numbers = [number for row in result.rows for number in row.ours.values()]
    below = []
    if any(number.low is not None for number in numbers):
        below.append("its 95 % interval")
    if any(number.spread is not None for number in numbers):
        below.append("its deviation over folds")
    ours = f"Ours, below it {' or '.join(below)}" if below else "Ours, without intervals: nothing here is an estimate"
    return f"{ours}{', and what the paper prints' if any(row.published for row in result.rows) else ''}."


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


def _picture(picture: Picture, folder: Path) -> dict[str, Any]:
    return {**picture.model_dump(), "uri": file_uri(folder / picture.file)}


def _csv(result: Result) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in result.rows:
        for column in result.columns:
            ours = row.ours.get(column.key) or Number(value=None)
            printed, deviation = row.published.get(column.key), row.published_spread.get(column.key)
            numbers = [ours.value, ours.low, ours.high, ours.spread, printed, deviation]
            writer.writerow([row.name, column.key, column.unit, *numbers, row.verdict, ours.reason or ""])
    return stream.getvalue()
