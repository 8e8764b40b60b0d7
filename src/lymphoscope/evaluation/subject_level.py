"""From cells to people: the blast share of each subject and slide, and how well subjects are told apart by it."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.blast_share import blast_shares
from lymphoscope.evaluation.correction import rate_of_others
from lymphoscope.evaluation.counts import Counts, count_cells, is_usable
from lymphoscope.evaluation.intervals import LEVEL, Units, replicate_weights
from lymphoscope.evaluation.measured import Measured
from lymphoscope.evaluation.metrics import Floats, Outcomes, binary_auc
from lymphoscope.evaluation.predictions import classes_of
from lymphoscope.evaluation.roc import roc_curve
from lymphoscope.evaluation.schema import Curve, SubjectLevel

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


def _told_apart(counts: Counts, weights: Floats, blast_class: str) -> tuple[Measured, Curve | None]:
    """The AUC and the curve of telling subjects labelled `blast_class` from the others by their blast share."""
    labelled = _labelled(counts)
    blast = np.array([label == blast_class for label in counts.labels], dtype=bool)[labelled]
    share, weights = counts.called[labelled] / counts.cells[labelled], weights[:, labelled]
    truth, scores = (~blast).astype(np.int64), np.stack([share, 1 - share], axis=1)
    outcomes = Outcomes(truth, truth, scores, (blast_class, "other"), blast=0)
    curve = roc_curve(outcomes, Units(np.arange(len(blast)), truth))
    if curve is None:
        return Measured(value=None, reason=_why_no_auc(blast, blast_class)), None
    value = float(binary_auc(blast, share, np.ones((1, len(share))))[0])
    low, high = np.quantile(binary_auc(blast, share, weights), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    points = Curve(false_positive=curve.false_positive.tolist(), true_positive=curve.true_positive.tolist())
    reason = _why_no_interval(blast, blast_class, value)
    if reason:
        return Measured(value=value, reason=reason), points
    return Measured(value=value, low=float(low), high=float(high)), points


def _why_no_auc(blast: NDArray[np.bool_], blast_class: str) -> str:
    if not len(blast):
        return "no subject has a label and a prediction"
    return f"{'every' if blast.all() else 'no'} labelled subject is of class {blast_class}"


def _why_no_interval(blast: NDArray[np.bool_], blast_class: str, value: float) -> str | None:
    for kind, name in ((True, f"class {blast_class}"), (False, "another class")):
        if (blast == kind).sum() < 2:
            return f"only one subject of {name}, an interval over subjects needs two"
    return "the classes do not overlap, so drawing subjects again shows no spread" if value in (0, 1) else None
