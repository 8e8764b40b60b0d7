"""The live differential: white cells by class, before (the model's) and after (confirmed by people)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.review.database import remembered
from lymphoscope.review.tables import Answer, Case, Cell, Reading
from lymphoscope.smear.cell_classes import Counting, cell_class, in_table_order
from lymphoscope.smear.differential import NOT_CLASSED, UNIDENTIFIED


@dataclass(frozen=True)
class ClassShare:
    """Cells of a class: their number, and per 100 white cells with the exact 95 % interval; None if not counted."""

    name: str
    title: str
    counted: Counting
    count: int
    percent: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class CountTable:
    """One count: the white cells in its denominator, and the classes in the order of the table of cell classes."""

    white_cells: int
    classes: tuple[ClassShare, ...]


@dataclass(frozen=True)
class LiveDifferential:
    """The count as the model suggests it, and as people have confirmed it so far."""

    target: int
    counted: int
    partial: bool
    """Whether `before` counts only the first white cells, as `lymphoscope smear --target` asked for."""
    before: CountTable
    after: CountTable


def live_differential(session: Session, case: Case, reading: Reading) -> LiveDifferential:
    """Count the cells of a case before and after the review in a reading."""
    after = count_table(confirmed_counts(session, reading))
    suggested, partial = suggested_counts(session, case)
    return LiveDifferential(case.target, after.white_cells, partial, count_table(suggested), after)


def confirmed_counts(session: Session, reading: Reading) -> dict[str, int]:
    """Return the number of confirmed cells by label."""
    query = select(Answer.label, func.count()).where(Answer.reading_id == reading.id, Answer.status == "confirmed")
    return {label: count for label, count in session.execute(query.group_by(Answer.label)) if label is not None}


def suggested_counts(session: Session, case: Case) -> tuple[dict[str, int], bool]:
    """Return the number of imported cells by the class that the model suggests, and whether some are left out.

    Where the results say how `lymphoscope smear` counted them, up to its target, this is that count. Else a white cell
    that the model refers to a person, or without a class, is unidentified.
    """
    counts, partial = remembered(session, ("suggested_counts", case.id), lambda: _suggested_counts(session, case))
    return dict(counts), partial


def _suggested_counts(session: Session, case: Case) -> tuple[dict[str, int], bool]:
    columns = (Cell.in_target, Cell.counted_as, Cell.suggested, Cell.referred)
    query = select(*columns, func.count()).where(Cell.case_id == case.id, ~Cell.added).group_by(*columns)
    counts: Counter[str] = Counter()
    partial = False
    for in_target, counted_as, suggested, referred, count in session.execute(query):
        if in_target is False:
            partial = True
        else:
            counts[_counted_label(counted_as, suggested, referred)] += count
    return dict(counts), partial


def _counted_label(counted_as: str | None, suggested: str | None, referred: bool) -> str:
    if counted_as is not None:
        return suggested or counted_as if counted_as == NOT_CLASSED else counted_as
    decided = suggested is not None and not (referred and cell_class(suggested).is_white_cell)
    return suggested if decided and suggested else UNIDENTIFIED


def white_cells_in(counts: Mapping[str, int]) -> int:
    """Return the number of white cells in counts by label."""
    return sum(count for label, count in counts.items() if cell_class(label).is_white_cell)


def count_table(counts: Mapping[str, int]) -> CountTable:
    """Return counts by label as a table with percentages and exact (Clopper-Pearson) intervals."""
    white_cells = white_cells_in(counts)
    return CountTable(
        white_cells, tuple(_share(name, counts[name], white_cells) for name in in_table_order(list(counts)))
    )


def _share(name: str, count: int, white_cells: int) -> ClassShare:
    known = cell_class(name)
    if known.counting == "not_counted" or not white_cells:
        return ClassShare(name, known.title, known.counting, count, None, None, None)
    # Per 100 white cells: of the white cells for one of them, else the share of both scaled to the white cells.
    total = white_cells if known.is_white_cell else white_cells + count
    low, high = (float(end) for end in exact_interval(count, total))
    if known.is_white_cell:
        return ClassShare(name, known.title, known.counting, count, 100 * count / total, 100 * low, 100 * high)
    scaled = [100 * share / (1 - share) if share < 1 else None for share in (count / total, low, high)]
    return ClassShare(name, known.title, known.counting, count, *scaled)
