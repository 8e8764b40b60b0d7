"""The differential count: cells by class, with their intervals, for the whole run, each slide and each subject.

A percentage is one of white cells (ICSH: Briggs et al. 2014, Int J Lab Hematol 36, 613-627; Palmer et al. 2015, 37,
287-303). A cell that the model refers to a person is a white cell of class "unidentified" until somebody decides.
Cells that are cut by the edge, clumps, deposits and cells that could not be classified are not classed, and in no
denominator. Erythroblasts and smudge cells are given per 100 white cells.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.subjects.proportions import Side, more_cells
from lymphoscope.smear.cell_classes import CellClass, Counting, cell_class, in_table_order
from lymphoscope.smear.error_correction import ClassifierErrors, corrected_intervals
from lymphoscope.strict_model import StrictModel

DIFFERENTIAL_FORMAT: Final = 1
UNIDENTIFIED: Final = "unidentified"
NOT_CLASSED: Final = "not_classed"
SMUDGE: Final = "smudge"
TARGETS: Final = (100, 200, 400)
COMPARED: Final = (200, 1000)
"""Numbers of cells whose intervals are shown beside each other."""
NOT_CLASSED_MARKS: Final = ("cut_by_edge", "platelet_clump", "stain_deposit")
Level = Literal["all", "slide", "subject"]


class Interval(StrictModel):
    """A percentage with its 95 % interval."""

    value: float = Field(description="The percentage.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end of its 95 % interval.")


class ClassCount(StrictModel):
    """The cells of one class."""

    name: str = Field(description="Name of the class.")
    title: str = Field(description="The class in words.")
    counting: Counting = Field(description="Whether it is a white cell, given per 100 white cells, or not counted.")
    is_blast: bool = Field(description="Whether it is a class of blasts.")
    number: int = Field(description="Cells of this class that were not referred to a person.")
    referred: int = Field(description="Cells predicted as this class and referred; they count as unidentified.")
    percentage: Interval | None = Field(
        description="`number` per 100 white cells, with the exact (Clopper-Pearson) interval for a white cell and for "
        "others the exact interval of their share scaled likewise; null without white cells."
    )
    as_predicted: float | None = Field(
        description="Percentage if every referred cell were what the model predicts; null without white cells."
    )
    corrected: Interval | None = Field(
        description="`as_predicted` corrected for the errors of the classifier, with the interval that carries them; "
        "null if the model file has no confusion matrix."
    )


class Expected(StrictModel):
    """The exact interval that the same share would have with another number of cells."""

    cells: int = Field(description="Number of white cells.")
    low: float = Field(description="Lower end, percent.")
    high: float = Field(description="Upper end, percent.")


class BlastShare(StrictModel):
    """The share of blasts against a percentage.

    Unidentified cells may be blasts, so that no side is decided until they no longer matter.
    """

    threshold: float = Field(description="The percentage it is compared with.")
    share: Interval = Field(
        description="Blasts per 100 white cells if every referred cell were what the model predicts, with the exact "
        "interval."
    )
    accepted: Interval = Field(description="Blasts that were not referred per 100 white cells: the least there are.")
    possible: Interval = Field(
        description="Blasts per 100 white cells if every unidentified cell were one: the most there are."
    )
    side: Side = Field(
        description="The side of the threshold on which the share lies whatever the unidentified cells are: above if "
        "the lower end of `accepted` is above it, below if the upper end of `possible` is below it, else undecided."
    )
    waits_for_review: bool = Field(description="Whether unidentified cells must be decided before the side can be.")
    more_cells: int | None = Field(
        description="White cells that must be counted in addition to decide the side of `share`, if it stays; null if "
        "it is decided, and if 100,000 would not be enough."
    )
    expected: tuple[Expected, ...] = Field(description="Intervals of this share with 200 and with 1,000 cells.")


class Count(StrictModel):
    """One count: of the whole run, a slide or a subject."""

    level: Level = Field(description="What is counted: all fields, one slide, or one subject.")
    name: str | None = Field(description="Id of the slide or subject; null for all.")
    target: int | None = Field(description="White cells that were to be counted; null for all.")
    reached: bool = Field(description="Whether there were as many.")
    found: int = Field(description="Cells found, of every kind.")
    white_cells: int = Field(description="White cells counted: the denominator. Unidentified cells are among them.")
    unidentified: int = Field(description="Cells referred to a person and not yet decided.")
    unidentified_percentage: Interval | None = Field(description="Their share of the white cells.")
    not_classed: dict[str, int] = Field(description="Cells that are in no denominator, by reason.")
    classes: tuple[ClassCount, ...] = Field(description="The classes, in the order of the table of cell classes.")
    blasts: BlastShare | None = Field(description="The share of blasts; null if the model has no class of blasts.")


class Differential(StrictModel):
    """The content of `differential.json`."""

    format_version: int = Field(default=DIFFERENTIAL_FORMAT, description="Version of this format.")
    model_id: str = Field(description="Id of the model.")
    order: str = Field(
        default="fields in the order of reading; within a field in stripes of 200 micrometres, back and forth",
        description="The order in which cells are taken until the target is reached.",
    )
    error_source: str = Field(description="Where the errors of the classifier come from, or why they are not known.")
    counts: tuple[Count, ...] = Field(description="All fields first, then slides, then subjects.")

    @property
    def overall(self) -> Count:
        """The count over all fields."""
        return self.counts[0]


@dataclass(frozen=True, slots=True)
class CountedCell:
    """What a count needs of a cell; cells come in the order of the walk."""

    predicted: str | None
    refer: bool
    marks: frozenset[str]
    error: str | None
    slide: str | None = None
    subject: str | None = None


def counted_as(cell: CountedCell) -> str:
    """Return the class that a cell is counted as: its own, `smudge`, `unidentified` or `not_classed`."""
    if not_classed_reason(cell) is not None:
        return NOT_CLASSED
    if SMUDGE in cell.marks:
        return SMUDGE
    return UNIDENTIFIED if cell.refer or cell.predicted is None else cell.predicted


def not_classed_reason(cell: CountedCell) -> str | None:
    """Return why a cell is in no denominator; None if it is in one, or per 100 white cells."""
    if cell.error is not None:
        return "could not be classified"
    return next((mark for mark in NOT_CLASSED_MARKS if mark in cell.marks), None)


def is_white_cell(cell: CountedCell) -> bool:
    """Whether a cell is in the denominator: an accepted white cell, or an unidentified cell."""
    name = counted_as(cell)
    return name == UNIDENTIFIED or (name != NOT_CLASSED and cell_class(name).is_white_cell)


def until_target(cells: Sequence[CountedCell], target: int | None) -> int:
    """Return how many cells of the walk are taken until `target` white cells are counted; all without a target."""
    if target is None:
        return len(cells)
    white = 0
    for place, cell in enumerate(cells, start=1):
        white += is_white_cell(cell)
        if white == target:
            return place
    return len(cells)


def differential_count(
    cells: Sequence[CountedCell],
    classes: Mapping[str, str],
    model_id: str,
    errors: ClassifierErrors | None,
    *,
    target: int | None = None,
    threshold: float = 20.0,
) -> Differential:
    """Count cells that come in the order of the walk: all of them, by slide and by subject.

    `classes` are the model's classes with their titles, `threshold` the percentage that blasts are compared with.
    """
    groups: list[tuple[Level, str | None, Sequence[CountedCell]]] = [("all", None, cells)]
    groups += [("slide", name, of_one) for name, of_one in _by_name((cell.slide, cell) for cell in cells).items()]
    groups += [("subject", name, of_one) for name, of_one in _by_name((cell.subject, cell) for cell in cells).items()]
    source = (
        "the model file has no confusion matrix of held-out cells: percentages are not corrected"
        if errors is None
        else f"the confusion matrix of the model on {errors.how}. It holds for cells like those; on other smears the "
        "errors may be larger"
    )
    return Differential(
        model_id=model_id,
        error_source=source,
        counts=tuple(_count(level, name, of_one, classes, errors, target, threshold) for level, name, of_one in groups),
    )


def _by_name(named: Iterable[tuple[str | None, CountedCell]]) -> dict[str, list[CountedCell]]:
    members: dict[str, list[CountedCell]] = {}
    for name, cell in named:
        if name is not None:
            members.setdefault(name, []).append(cell)
    return members


def _count(
    level: Level,
    name: str | None,
    cells: Sequence[CountedCell],
    classes: Mapping[str, str],
    errors: ClassifierErrors | None,
    target: int | None,
    threshold: float,
) -> Count:
    taken = cells[: until_target(cells, target)]
    white = sum(is_white_cell(cell) for cell in taken)
    numbers = Counter(counted_as(cell) for cell in taken)
    predicted = Counter(cell.predicted for cell in taken if counted_as(cell) not in (NOT_CLASSED, SMUDGE))
    listed = [cell_class(one, classes.get(one)) for one in _listed(classes, numbers)]
    corrected = _corrected(predicted, errors)
    rows = tuple(_class_count(one, numbers, predicted, corrected, white) for one in listed)
    return Count(
        level=level,
        name=name,
        target=target,
        reached=target is None or white >= target,
        found=len(taken),
        white_cells=white,
        unidentified=numbers[UNIDENTIFIED],
        unidentified_percentage=percentage(numbers[UNIDENTIFIED], white),
        not_classed=dict(Counter(reason for cell in taken if (reason := not_classed_reason(cell)) is not None)),
        classes=rows,
        blasts=_blast_share(rows, _predicted_white(predicted), numbers[UNIDENTIFIED], white, threshold),
    )


def _listed(classes: Mapping[str, str], numbers: Counter[str]) -> list[str]:
    smudges = [SMUDGE] if numbers[SMUDGE] and SMUDGE not in classes else []
    return in_table_order([*classes, *smudges])


def _class_count(
    one: CellClass,
    numbers: Counter[str],
    predicted: Counter[str | None],
    corrected: Mapping[str, Interval],
    white: int,
) -> ClassCount:
    number, all_predicted = numbers[one.name], predicted[one.name]
    denominator = _predicted_white(predicted)
    return ClassCount(
        name=one.name,
        title=one.title,
        counting=one.counting,
        is_blast=one.is_blast,
        number=number,
        referred=max(all_predicted - number, 0),
        percentage=percentage(number, white) if one.is_white_cell else per_100(number, white),
        as_predicted=100 * max(all_predicted, number) / denominator if denominator else None,
        corrected=corrected.get(one.name),
    )


def _predicted_white(predicted: Counter[str | None]) -> int:
    return sum(number for name, number in predicted.items() if name is not None and cell_class(name).is_white_cell)


def percentage(number: int, of: int) -> Interval | None:
    """Return a percentage with its exact interval; None of nothing."""
    return _share(number, of) if of else None


def _share(number: int, of: int) -> Interval:
    low, high = exact_interval(number, of)
    return Interval(value=100 * number / of, low=100 * float(low), high=100 * float(high))


def per_100(number: int, white: int) -> Interval | None:
    """Return `number` per 100 white cells that it is not one of; its interval is that of number / (number + white)."""
    if not white:
        return None
    low, high = (float(end) for end in exact_interval(number, number + white))
    upper = 100 * high / (1 - high) if high < 1 else float(100 * (number + 1))
    return Interval(value=100 * number / white, low=100 * low / (1 - low), high=upper)


def _corrected(predicted: Counter[str | None], errors: ClassifierErrors | None) -> dict[str, Interval]:
    if errors is None or not sum(predicted[name] for name in errors.classes):
        return {}
    counted = [cell_class(name).is_white_cell for name in errors.classes]
    shares = 100 * corrected_intervals([predicted[name] for name in errors.classes], errors, counted)
    return {
        name: Interval(value=float(value), low=float(low), high=float(high))
        for name, (value, low, high) in zip(errors.classes, shares, strict=True)
    }


def _blast_share(
    rows: Sequence[ClassCount], predicted_white: int, unidentified: int, white: int, threshold: float
) -> BlastShare | None:
    blasts = [row for row in rows if row.is_blast]
    if not blasts or not predicted_white or not white:
        return None
    number, sure = sum(row.number + row.referred for row in blasts), sum(row.number for row in blasts)
    share, accepted = _share(number, predicted_white), _share(sure, white)
    possible = _share(sure + unidentified, white)
    side: Side = "above" if accepted.low > threshold else "below" if possible.high < threshold else "undecided"
    return BlastShare(
        threshold=threshold,
        share=share,
        accepted=accepted,
        possible=possible,
        side=side,
        waits_for_review=side == "undecided" and unidentified > 0,
        more_cells=more_cells(number, predicted_white, threshold / 100),
        expected=tuple(_expected(number / predicted_white, cells) for cells in COMPARED),
    )


def _expected(share: float, cells: int) -> Expected:
    low, high = exact_interval(share * cells, cells)
    return Expected(cells=cells, low=100 * float(low), high=100 * float(high))
