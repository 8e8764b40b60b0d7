"""The blast share of a subject or slide, with its exact interval, corrected, and set against a stated percentage."""

import numpy as np

from lymphoscope.evaluation.correction import RateOfOthers, corrected_bounds
from lymphoscope.evaluation.counts import Counts
from lymphoscope.evaluation.measured import Measured
from lymphoscope.evaluation.proportions import exact_interval, more_cells, rogan_gladen, side_of
from lymphoscope.evaluation.schema import BlastShare

_NOTHING = "no cell has a prediction"


def blast_shares(
    counts: Counts,
    sensitivity: RateOfOthers,
    specificity: RateOfOthers,
    line: float,
    fewest_cells: int,
    generator: np.random.Generator,
) -> list[BlastShare]:
    """One entry for each of U subjects or slides; the rates are seen from each, `line` is the stated share (0-1)."""
    corrected = _corrected(counts, sensitivity, specificity, generator)
    return [
        BlastShare(
            subject=counts.subjects[unit],
            slide=counts.slides[unit],
            label=counts.labels[unit],
            cells=cells,
            called=called,
            share=_share(called, cells),
            corrected=corrected[unit],
            side=side_of(called, cells, line),
            more_cells=more_cells(called, cells, line),
            enough_cells=cells >= fewest_cells,
        )
        for unit, (called, cells) in enumerate(
            zip(counts.called.astype(int).tolist(), counts.cells.astype(int).tolist(), strict=True)
        )
    ]


def _share(called: int, cells: int) -> Measured:
    if not cells:
        return Measured(value=None, reason=_NOTHING)
    low, high = exact_interval(called, cells)
    return Measured(value=called / cells, low=low, high=high)


def _corrected(
    counts: Counts, sensitivity: RateOfOthers, specificity: RateOfOthers, generator: np.random.Generator
) -> list[Measured]:
    share = counts.called / np.maximum(counts.cells, 1)
    values = rogan_gladen(share, sensitivity.value, specificity.value)
    lows, highs = corrected_bounds(counts.called, counts.cells, sensitivity, specificity, generator)
    found = []
    for unit, value in enumerate(values.tolist()):
        undefined = _why_undefined(counts, sensitivity, specificity, unit)
        lone = min(sensitivity.subjects[unit], specificity.subjects[unit]) < 2
        if undefined:
            found.append(Measured(value=None, reason=undefined))
        elif lone:
            reason = "only one other subject has labelled cells of a class, an interval over subjects needs two"
            found.append(Measured(value=value, reason=reason))
        else:
            found.append(Measured(value=value, low=float(lows[unit]), high=float(highs[unit])))
    return found


def _why_undefined(counts: Counts, sensitivity: RateOfOthers, specificity: RateOfOthers, unit: int) -> str | None:
    if not counts.cells[unit]:
        return _NOTHING
    for rate, name, kind in ((sensitivity, "sensitivity", "a blast"), (specificity, "specificity", "no blast")):
        if not rate.subjects[unit]:
            return f"no cell of another subject is labelled as {kind}, so {name} is unknown"
    if sensitivity.value[unit] + specificity.value[unit] <= 1:
        return "on the other subjects a call says nothing of what a cell is (sensitivity + specificity is at most 1)"
    return None
