"""A result -> its page, CSV and JSON, and the lines that the terminal shows."""

import csv
import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from lymphoscope.experiments.result import Column, Comparison, Number, Result, Row
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
    """Write NAME.html, NAME.csv and NAME.json; return the page, which refers to no other file."""
    write_text(folder / f"{result.name}.json", result.model_dump_json(indent=2) + "\n")
    write_text(folder / f"{result.name}.csv", _as_csv(result))
    page = folder / f"{result.name}.html"
    write_text(page, render_result(result, folder))
    return page


def render_result(result: Result, folder: Path) -> str:
    """The page as HTML text; its figures are read from `folder`."""
    styles = (resources.files("lymphoscope.reports") / "templates" / "report.css").read_text(encoding="utf-8")
    environment = page_environment("lymphoscope.experiments")
    environment.filters["shown"] = format_value
    environment.filters["range"] = format_interval
    return environment.get_template("result.html.j2").render(
        result=result,
        caption=_table_caption(result),
        figures=[{**figure.model_dump(), "uri": file_uri(folder / figure.file)} for figure in result.figures],
        failed=[run for run in result.runs if run.state == "failed"],
        seconds=sum(run.seconds or 0 for run in result.runs),
        script=sorting_script(),
        styles=styles,
        columns={column.key: column for column in result.columns},
    )


def as_text(result: Result) -> str:
    """The result as lines of text; figures, protocol and tests without an interval are on the page only."""
    return "\n".join(_text_lines(result))


def format_value(value: float | None, column: Column) -> str:
    """A number with the decimals of its column."""
    return "none" if value is None else f"{value:,.{column.digits}f}"


def format_interval(number: Number, column: Column) -> str:
    """The interval of a number, or its deviation, or why there is neither."""
    if number.value is None:
        return number.reason or ""
    if number.low is not None and number.high is not None:
        return f"{format_value(number.low, column)} to {format_value(number.high, column)}"
    if number.spread is not None:
        return f"± {format_value(number.spread, column)}"
    return f"no interval: {number.reason}" if number.reason else ""


def _table_caption(result: Result) -> str:
    """What the smaller text below each number means."""
    numbers = [number for row in result.rows for number in row.ours.values()]
    below = []
    if any(number.low is not None for number in numbers):
        below.append("its 95 % interval")
    if any(number.spread is not None for number in numbers):
        below.append("its deviation over folds or seeds")
    ours = f"Ours, with {' or '.join(below)}" if below else "Ours, without intervals: these are counts, not estimates"
    return f"{ours}{', and what the paper prints' if any(row.published for row in result.rows) else ''}."


def _as_csv(result: Result) -> str:
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


def _text_lines(result: Result) -> Iterator[str]:
    yield result.title
    yield from (f"not the whole experiment: {line}" for line in result.limited)
    if result.rows:
        yield ""
        yield from _text_table(result.rows, result.columns)
        yield f"{_text_legend(result)}\n".lstrip("\n")
    titles = {column.key: column.title for column in result.columns}
    for test in result.comparisons:
        if test.difference.value is not None:
            yield _text_comparison(test, titles.get(test.column, test.column))
    yield from result.facts
    yield from (f"missing: {line}" for line in result.missing)
    yield from (f"failed: {run.name}: {run.reason}" for run in result.runs if run.state == "failed")


def _text_table(rows: list[Row], columns: list[Column]) -> Iterator[str]:
    head = ["", *(f"{column.title}{f', {column.unit}' if column.unit else ''}" for column in columns)]
    has_verdicts = any(row.verdict for row in rows)
    lines = [[*head, *(["in words"] * has_verdicts)]]
    for row in rows:
        cells = (_text_cell(row.ours.get(each.key), row.published.get(each.key), each) for each in columns)
        lines.append([row.name, *cells, *([row.verdict] * has_verdicts)])
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()


def _text_cell(number: Number | None, printed: float | None, column: Column) -> str:
    ours = "" if number is None else format_value(number.value, column)
    if number is not None and number.low is not None and number.high is not None:
        ours += f" ({format_interval(number, column).replace(' to ', '-')})"
    elif number is not None and number.spread is not None:
        ours += f" ± {format_value(number.spread, column)}"
    elif number is not None and number.value is not None and number.reason:
        ours += " (none)"
    return f"{ours} [{printed:.2f}]" if printed is not None else ours


def _text_legend(result: Result) -> str:
    """What the signs in the table mean; only those that are used."""
    numbers = [number for row in result.rows for number in row.ours.values()]
    signs = {
        "(95 % interval)": any(number.low is not None for number in numbers),
        "± deviation over folds or seeds": any(number.spread is not None for number in numbers),
        "[the paper's]": any(row.published for row in result.rows),
        "none: the page has the reason": any(
            number.reason and (number.value is None or number.low is None) for number in numbers
        ),
    }
    return "; ".join(sign for sign, used in signs.items() if used)


def _text_comparison(test: Comparison, metric: str) -> str:
    difference, p = test.difference, "none" if test.p is None else f"{test.p:.4f}"
    adjusted = "" if test.p_adjusted is None else f" (Holm {test.p_adjusted:.4f})"
    interval = "no interval"
    if difference.low is not None and difference.high is not None:
        interval = f"{difference.low:+.2f} to {difference.high:+.2f}"
    points = f"{difference.value:+.2f} points ({interval})"
    return f"{metric}, {test.row} minus {test.against}: {points}, p {p}{adjusted}, {test.test}"
