"""What the terminal says about a smear, in words."""

from collections.abc import Iterator

from lymphoscope.smear.differential import ClassCount, Count, Interval
from lymphoscope.smear.run import REPORT_FILE, SmearResult
from lymphoscope.smear.sentences import blast_sentence
from lymphoscope.terminal import counted


def describe_result(result: SmearResult) -> list[str]:
    """Return the lines that the command prints: what was read, the count with its intervals, and what to do next."""
    return [*_fields(result), *_count(result.differential.overall), *_next(result)]


def _fields(result: SmearResult) -> Iterator[str]:
    record = result.record
    tiles, aside = len(record.tiles), sum(tile.set_aside for tile in record.tiles)
    of_tiles = f" in {tiles:,} tiles" if tiles > len(record.fields) else ""
    yield f"{counted(len(record.fields), 'field')}{of_tiles}, {counted(record.cells, 'cell')} found."
    if aside:
        yield f"Set aside for their quality: {100 * aside / tiles:.0f} % of the tiles (smear.json has the reasons)."
    for one in record.fields:
        if one.error is not None:
            yield f"{one.path}: {one.error}"


def _count(count: Count) -> Iterator[str]:
    if not count.white_cells:
        yield "No white cells were counted: there is no differential."
        yield from _not_classed(count)
        return
    if not count.reached:
        yield f"Only {count.white_cells:,} of the {count.target:,} white cells that were to be counted are there."
    yield f"Differential of {counted(count.white_cells, 'white cell')}, with 95 % intervals:"
    for row in count.classes:
        if row.number or row.referred or row.is_blast:
            yield f"  {row.title:22} {row.number:6,}  {_percentage(row)}"
    share = _interval(count.unidentified_percentage)
    yield f"  {'unidentified':22} {count.unidentified:6,}  {share}: for a person to decide"
    yield from _not_classed(count)
    if count.blasts is not None:
        yield blast_sentence(count.blasts)


def _not_classed(count: Count) -> Iterator[str]:
    if count.not_classed:
        reasons = ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in count.not_classed.items())
        yield f"  Not counted: {reasons}."


def _percentage(row: ClassCount) -> str:
    if row.counting == "not_counted":
        return "not a white cell"
    return _interval(row.percentage) + (" per 100 white cells" if row.counting == "per_100_white_cells" else "")


def _interval(one: Interval | None) -> str:
    return "" if one is None else f"{one.value:5.1f} % ({one.low:.1f} to {one.high:.1f})"


def _next(result: SmearResult) -> Iterator[str]:
    page = result.out / REPORT_FILE
    yield f"Research software, not a medical device. Read {page if page.is_file() else result.out}"
