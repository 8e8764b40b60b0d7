"""How many cells of each subject, or slide, were called blast, and how many of the labelled ones rightly.

The blast share of a subject or slide, with its exact interval, corrected, and set against a stated percentage.

From cells to people: the blast share of each subject and slide, and how well subjects are told apart by it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.intervals import LEVEL, Units, replicate_weights
from lymphoscope.evaluation.metrics import Floats, Outcomes, binary_auc
from lymphoscope.evaluation.predictions import classes_of
from lymphoscope.evaluation.roc import roc_curve
from lymphoscope.evaluation.schema import BlastShare, Curve, SubjectLevel
from lymphoscope.evaluation.subjects.prevalence import RateOfOthers, corrected_bounds, rate_of_others
from lymphoscope.evaluation.subjects.proportions import exact_interval, more_cells, rogan_gladen, side_of


@dataclass(frozen=True)
class Counts:
    """Cells with a prediction of U subjects or slides, each array (U,).

    `called` of `cells` were called blast; `found` of the cells labelled `blasts` were, `cleared` of the `normals`
    (any other label) were not. `subjects`, `slides` (None throughout for subjects) and `labels`, the commonest label
    of all its cells or None, are text.
    """

    subjects: list[str]
    slides: list[str | None]
    labels: list[str | None]
    cells: Floats
    called: Floats
    blasts: Floats
    found: Floats
    normals: Floats
    cleared: Floats


def count_cells(table: pd.DataFrame, by: list[str], blast_class: str) -> Counts:
    """Counts of the rows of a predictions table by `by` (subject, or subject and slide), in order of the names.

    Rows that lack one of the names are left out; a subject without any prediction has 0 cells.
    """
    rows = table[table[by].notna().all(axis=1)]
    groups = rows.groupby(by, sort=True)
    code, names = groups.ngroup().to_numpy(), [(*map(str, name), None)[:2] for name, _ in groups]
    called, blast = (rows[name].to_numpy() == blast_class for name in ("predicted", "label"))
    normal = rows["label"].notna().to_numpy() & ~blast
    usable = is_usable(rows)

    def sums(*masks: NDArray[np.bool_]) -> Floats:
        return np.bincount(code, np.logical_and.reduce([usable, *masks]), minlength=len(names)).astype(np.float64)

    return Counts(
        [str(subject) for subject, _ in names],
        [slide for _, slide in names],
        [_commonest(labels) for _, labels in groups["label"]],
        cells=sums(usable),
        called=sums(called),
        blasts=sums(blast),
        found=sums(blast, called),
        normals=sums(normal),
        cleared=sums(normal, ~called),
    )


def is_usable(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows have a prediction (N,)."""
    return (rows["predicted"].notna() & rows["error"].isna()).to_numpy(dtype=bool)


def _commonest(labels: "pd.Series[str]") -> str | None:
    counts = labels.dropna().value_counts()
    return None if counts.empty else str(counts[counts == counts.max()].index.min())


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


def _share(called: int, cells: int) -> Estimate:
    if not cells:
        return Estimate(value=None, reason=_NOTHING)
    low, high = exact_interval(called, cells)
    return Estimate(value=called / cells, low=low, high=high)


def _corrected(
    counts: Counts, sensitivity: RateOfOthers, specificity: RateOfOthers, generator: np.random.Generator
) -> list[Estimate]:
    share = counts.called / np.maximum(counts.cells, 1)
    values = rogan_gladen(share, sensitivity.value, specificity.value)
    lows, highs = corrected_bounds(counts.called, counts.cells, sensitivity, specificity, generator)
    found = []
    for unit, value in enumerate(values.tolist()):
        undefined = _why_undefined(counts, sensitivity, specificity, unit)
        lone = min(sensitivity.subjects[unit], specificity.subjects[unit]) < 2
        if undefined:
            found.append(Estimate(value=None, reason=undefined))
        elif lone:
            reason = "only one other subject has labelled cells of a class, an interval over subjects needs two"
            found.append(Estimate(value=value, reason=reason))
        else:
            found.append(Estimate(value=value, low=float(lows[unit]), high=float(highs[unit])))
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


# The ICSH asks for at least 200 nucleated cells of each smear: Palmer et al. 2015, Int J Lab Hematol 37, 287-303.
FEWEST_CELLS: Final = 200


def subject_level(
    table: pd.DataFrame, *, blast_class: str, stated_percentage: float = 20.0, replicates: int = 2000, seed: int = 0
) -> SubjectLevel:
    """A predictions table -> the blast share of each subject and slide, and the ROC of subjects by it.

    Cells without a prediction or without a subject are left out and counted. A share is corrected for sensitivity and
    specificity as the labelled cells of the other subjects show them (`correction` says how); intervals are 95 %.
    Raises LymphoscopeError where the blast class is none of the table's, or the percentage not between 0 and 100.
    """
    if blast_class not in classes_of(table):
        raise LymphoscopeError(f"blast class {blast_class!r} is not one of the classes {', '.join(classes_of(table))}")
    if not 0 < stated_percentage < 100:
        raise LymphoscopeError(f"blast percentage {stated_percentage:g}: it must lie between 0 and 100")
    counts = count_cells(table, ["subject"], blast_class)
    slides = count_cells(table, ["subject", "slide"], blast_class)
    weights, generator = _drawn(counts, blast_class, replicates, seed), np.random.default_rng(seed)
    sensitivity = rate_of_others(counts.found, counts.blasts, weights, generator)
    specificity = rate_of_others(counts.cleared, counts.normals, weights, generator)
    place = {subject: index for index, subject in enumerate(counts.subjects)}
    owner = np.array([place[subject] for subject in slides.subjects], dtype=np.intp)
    line = stated_percentage / 100
    auc, roc = _told_apart(counts, weights, blast_class)
    return SubjectLevel(
        stated_percentage=stated_percentage,
        fewest_cells=FEWEST_CELLS,
        left_out=int((~is_usable(table) | table["subject"].isna()).sum()),
        subjects=blast_shares(counts, sensitivity, specificity, line, FEWEST_CELLS, generator),
        slides=blast_shares(slides, sensitivity.of(owner), specificity.of(owner), line, FEWEST_CELLS, generator),
        auc=auc,
        roc=roc,
    )


def _labelled(counts: Counts) -> NDArray[np.bool_]:
    return np.array([label is not None for label in counts.labels], dtype=bool) & (counts.cells > 0)


def _drawn(counts: Counts, blast_class: str, replicates: int, seed: int) -> Floats:
    """How often each subject is drawn (R, S), among those with a label and of the same class; 0 for the others."""
    labelled = _labelled(counts)
    kind = np.array([label == blast_class for label in counts.labels], dtype=np.int64)[labelled]
    weights = np.zeros((replicates, len(counts.cells)))
    if labelled.any():
        weights[:, labelled] = np.concatenate(
            list(replicate_weights(Units(np.arange(len(kind)), kind), replicates, seed))
        )
    return weights


def _told_apart(counts: Counts, weights: Floats, blast_class: str) -> tuple[Estimate, Curve | None]:
    """The AUC and the curve of telling subjects labelled `blast_class` from the others by their blast share."""
    labelled = _labelled(counts)
    blast = np.array([label == blast_class for label in counts.labels], dtype=bool)[labelled]
    share, weights = counts.called[labelled] / counts.cells[labelled], weights[:, labelled]
    truth, scores = (~blast).astype(np.int64), np.stack([share, 1 - share], axis=1)
    outcomes = Outcomes(truth, truth, scores, (blast_class, "other"), blast=0)
    curve = roc_curve(outcomes, Units(np.arange(len(blast)), truth))
    if curve is None:
        return Estimate(value=None, reason=_why_no_auc(blast, blast_class)), None
    value = float(binary_auc(blast, share, np.ones((1, len(share))))[0])
    low, high = np.quantile(binary_auc(blast, share, weights), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    points = Curve(false_positive=curve.false_positive.tolist(), true_positive=curve.true_positive.tolist())
    reason = _why_no_interval(blast, blast_class, value)
    if reason:
        return Estimate(value=value, reason=reason), points
    return Estimate(value=value, low=float(low), high=float(high)), points


def _why_no_auc(blast: NDArray[np.bool_], blast_class: str) -> str:
    if not len(blast):
        return "no subject has a label and a prediction"
    return f"{'every' if blast.all() else 'no'} labelled subject is of class {blast_class}"


def _why_no_interval(blast: NDArray[np.bool_], blast_class: str, value: float) -> str | None:
    for kind, name in ((True, f"class {blast_class}"), (False, "another class")):
        if (blast == kind).sum() < 2:
            return f"only one subject of {name}, an interval over subjects needs two"
    return "the classes do not overlap, so drawing subjects again shows no spread" if value in (0, 1) else None
