"""A result as a terminal shows it: limits, the table with the paper's numbers beside ours, tests, what is missing."""

from collections.abc import Iterator

from lymphoscope.experiments.result import Column, Comparison, Number, Result, Row
from lymphoscope.experiments.write import interval, shown


def as_text(result: Result) -> str:
    """What the page shows, in lines; pictures, protocol and McNemar's tests stand there alone."""
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterator[str]:
    yield result.title
    yield from (f"not the whole experiment: {line}" for line in result.limited)
    if result.rows:
        yield ""
        yield from _table(result.rows, result.columns)
        yield f"{_legend(result)}\n".lstrip("\n")
    yield from (_compared(test) for test in result.comparisons if test.difference.value is not None)
    yield from result.facts
    yield from (f"missing: {line}" for line in result.missing)
    yield from (f"failed: {run.name}: {run.reason}" for run in result.runs if run.state == "failed")


def _table(rows: list[Row], columns: list[Column]) -> Iterator[str]:
    head = ["", *(f"{column.title}{f', {column.unit}' if column.unit else ''}" for column in columns)]
    worded = any(row.verdict for row in rows)
    lines = [[*head, *(["in words"] * worded)]]
    lines += [[*_cells(row, columns), *([row.verdict] * worded)] for row in rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()


def _legend(result: Result) -> str:
    """What the signs mean that stand in the table."""
    numbers = [number for row in result.rows for number in row.ours.values()]
    signs = {
        "(95 % interval)": any(number.low is not None for number in numbers),
        "± deviation over folds": any(number.spread is not None for number in numbers),
        "[the paper's]": any(row.published for row in result.rows),
        "none: the page has the reason": any(_unexplained(number) for number in numbers),
    }
    return "; ".join(sign for sign, used in signs.items() if used)


def _cells(row: Row, columns: list[Column]) -> list[str]:
    return [row.name, *(_cell(row.ours.get(each.key), row.published.get(each.key), each) for each in columns)]


def _cell(number: Number | None, printed: float | None, column: Column) -> str:
    ours = "" if number is None else shown(number.value, column)
    if number is not None and number.low is not None and number.high is not None:
        ours += f" ({interval(number, column).replace(' to ', '-')})"
    elif number is not None and number.spread is not None:
        ours += f" ± {shown(number.spread, column)}"
    elif number is not None and number.value is not None and number.reason:
        ours += " (none)"
    return f"{ours} [{printed:.2f}]" if printed is not None else ours


def _unexplained(number: Number) -> bool:
    return bool(number.reason) and (number.value is None or number.low is None)


def _compared(test: Comparison) -> str:
    difference, p = test.difference, "none" if test.p is None else f"{test.p:.4f}"
    between = "no interval"
    if difference.low is not None and difference.high is not None:
        between = f"{difference.low:+.2f} to {difference.high:+.2f}"
    return f"{test.row} less {test.against}: {difference.value:+.2f} points ({between}), p {p}, {test.test}"
