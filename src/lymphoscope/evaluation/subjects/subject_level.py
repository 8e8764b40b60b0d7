"""From cells to people: the blast share of each subject and slide, and how well it tells subjects apart."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import BootstrapSamples, MetricGroup, unit_names
from lymphoscope.evaluation.estimates import Bootstrap, Estimate
from lymphoscope.evaluation.evaluation_set import metric_group
from lymphoscope.evaluation.intervals import LEVEL, exact_interval
from lymphoscope.evaluation.metrics import METRICS
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask, Outcomes
from lymphoscope.evaluation.predictions import classes_of, has_prediction
from lymphoscope.evaluation.schema import BlastShare, Curve, DecisionCurve, SubjectLevel
from lymphoscope.evaluation.subjects.decision_curve import decision_curves
from lymphoscope.evaluation.subjects.prevalence import RateOfOthers, corrected_bounds, rate_of_others
from lymphoscope.evaluation.subjects.proportions import Side, more_cells, rogan_gladen
from lymphoscope.evaluation.units import replicate_weights, units_of

# The ICSH recommends at least 200 nucleated cells per smear: Palmer et al. 2015, Int J Lab Hematol 37, 287-303.
MIN_CELLS: Final = 200
_NO_PREDICTION = "no cell has a prediction"


@dataclass(frozen=True)
class Counts:
    """Cells with a prediction of U subjects or slides, each array (U,).

    Of `cells`, `predicted` are predicted as blasts; `true_positives` are those of the cells labelled as blasts
    (`positives`), and `true_negatives` the cells of any other label (`negatives`) that are not. `subjects`, `slides`
    (None for whole subjects) and `labels`, the commonest label of all its cells or None, are text.
    """

    subjects: list[str]
    slides: list[str | None]
    labels: list[str | None]
    cells: Floats
    predicted: Floats
    positives: Floats
    true_positives: Floats
    negatives: Floats
    true_negatives: Floats


def evaluate_subjects(
    table: pd.DataFrame, *, blast_class: str, blast_threshold: float = 20.0, replicates: int = 2000, seed: int = 0
) -> SubjectLevel:
    """Compute the blast share of each subject and slide of a predictions table, and the ROC of subjects by it.

    Cells without a prediction or a subject are left out and counted. A share is corrected for sensitivity and
    specificity as estimated on the labelled cells of the other subjects; intervals are 95 %. `blast_threshold` is in
    percent. Raises LymphoscopeError where the blast class is not one of the table's, or the threshold is not between 0
    and 100.
    """
    if blast_class not in classes_of(table):
        raise LymphoscopeError(f"blast class {blast_class!r} is not one of the classes {', '.join(classes_of(table))}")
    if not 0 < blast_threshold < 100:
        raise LymphoscopeError(f"blast threshold {blast_threshold:g} %: give a number between 0 and 100")
    counts = count_cells(table, ["subject"], blast_class)
    slides = count_cells(table, ["subject", "slide"], blast_class)
    groups = _groups(table, counts)
    weights, generator = _draw_subjects(counts, groups, blast_class, replicates, seed), np.random.default_rng(seed)
    sensitivity = rate_of_others(counts.true_positives, counts.positives, weights, generator, groups)
    specificity = rate_of_others(counts.true_negatives, counts.negatives, weights, generator, groups)
    index = {subject: position for position, subject in enumerate(counts.subjects)}
    owner = np.array([index[subject] for subject in slides.subjects], dtype=np.intp)
    threshold = blast_threshold / 100
    auc, roc, curves = _separation(counts, groups, blast_class, replicates, seed)
    return SubjectLevel(
        blast_threshold=blast_threshold,
        min_cells=MIN_CELLS,
        excluded_cells=int((~has_prediction(table) | table["subject"].isna()).sum()),
        subjects=blast_shares(counts, sensitivity, specificity, threshold, generator),
        slides=blast_shares(slides, sensitivity.of(owner), specificity.of(owner), threshold, generator),
        auc=auc,
        roc=roc,
        decision_curves=curves,
    )


def count_cells(table: pd.DataFrame, by: list[str], blast_class: str) -> Counts:
    """Count the rows of a predictions table by `by` (subject, or subject and slide), in order of the names.

    Rows without one of the names are left out; a subject without any prediction has 0 cells.
    """
    rows = table[table[by].notna().all(axis=1)]
    groups = rows.groupby(by, sort=True)
    code, names = groups.ngroup().to_numpy(), [(*map(str, name), None)[:2] for name, _ in groups]
    predicted, positive = (rows[name].to_numpy() == blast_class for name in ("predicted", "label"))
    negative = rows["label"].notna().to_numpy() & ~positive
    usable = has_prediction(rows)

    def sums(*masks: Mask) -> Floats:
        return np.bincount(code, np.logical_and.reduce([usable, *masks]), minlength=len(names)).astype(np.float64)

    return Counts(
        [str(subject) for subject, _ in names],
        [slide for _, slide in names],
        [_commonest(labels) for _, labels in groups["label"]],
        cells=sums(usable),
        predicted=sums(predicted),
        positives=sums(positive),
        true_positives=sums(positive, predicted),
        negatives=sums(negative),
        true_negatives=sums(negative, ~predicted),
    )


def _commonest(labels: "pd.Series[str]") -> str | None:
    counts = labels.dropna().value_counts()
    return None if counts.empty else str(counts[counts == counts.max()].index.min())


def blast_shares(
    counts: Counts,
    sensitivity: RateOfOthers,
    specificity: RateOfOthers,
    threshold: float,
    generator: np.random.Generator,
) -> list[BlastShare]:
    """One entry for each of U subjects or slides; the rates are those for each, `threshold` is a share (0-1)."""
    corrected = _corrected(counts, sensitivity, specificity, generator)
    predicted_counts, cell_counts = counts.predicted.astype(int).tolist(), counts.cells.astype(int).tolist()
    return [
        BlastShare(
            subject=counts.subjects[unit],
            slide=counts.slides[unit],
            label=counts.labels[unit],
            cells=cells,
            predicted_positive=predicted,
            share=_share(predicted, cells),
            corrected=corrected[unit],
            side=_side(corrected[unit], threshold),
            more_cells=more_cells(predicted, cells, threshold),
            enough_cells=cells >= MIN_CELLS,
        )
        for unit, (predicted, cells) in enumerate(zip(predicted_counts, cell_counts, strict=True))
    ]


def _side(corrected: Estimate, threshold: float) -> Side:
    low, high = corrected.low, corrected.high
    if low is None or high is None:
        return "undecided"
    return "above" if low > threshold else "below" if high < threshold else "undecided"


def _share(predicted: int, cells: int) -> Estimate:
    if not cells:
        return Estimate(value=None, reason=_NO_PREDICTION)
    low, high = exact_interval(predicted, cells)
    return Estimate(value=predicted / cells, low=low, high=high)


def _corrected(
    counts: Counts, sensitivity: RateOfOthers, specificity: RateOfOthers, generator: np.random.Generator
) -> list[Estimate]:
    share = counts.predicted / np.maximum(counts.cells, 1)
    values = rogan_gladen(share, sensitivity.value, specificity.value)
    lows, highs = corrected_bounds(counts.predicted, counts.cells, sensitivity, specificity, generator)
    estimates = []
    for unit, value in enumerate(values.tolist()):
        if undefined := _why_undefined(counts, sensitivity, specificity, unit):
            estimates.append(Estimate(value=None, reason=undefined))
        elif min(sensitivity.subjects[unit], specificity.subjects[unit]) < 2:
            reason = "only one other subject has labelled cells of a class, an interval over subjects needs two"
            estimates.append(Estimate(value=value, reason=reason))
        else:
            estimates.append(Estimate(value=value, low=float(lows[unit]), high=float(highs[unit])))
    return estimates


def _why_undefined(counts: Counts, sensitivity: RateOfOthers, specificity: RateOfOthers, unit: int) -> str | None:
    if not counts.cells[unit]:
        return _NO_PREDICTION
    for rate, name, cells in ((sensitivity, "sensitivity", "a blast"), (specificity, "specificity", "not a blast")):
        if not rate.subjects[unit]:
            return f"no cell of another subject is labelled as {cells}, so {name} is unknown"
    if sensitivity.value[unit] + specificity.value[unit] <= 1:
        return "on the other subjects predictions carry no information (sensitivity + specificity is at most 1)"
    return None


def _labelled(counts: Counts) -> Mask:
    return np.array([label is not None for label in counts.labels], dtype=bool) & (counts.cells > 0)


def _groups(table: pd.DataFrame, counts: Counts) -> Indices:
    """The group of subjects who share a cell, (S,), as a number."""
    rows = table[table["subject"].notna()]
    of_subject = dict(zip(rows["subject"].astype(str), unit_names(rows), strict=True))
    return np.unique([str(of_subject[subject]) for subject in counts.subjects], return_inverse=True)[1]


def _draw_subjects(counts: Counts, groups: Indices, blast_class: str, replicates: int, seed: int) -> Floats:
    """The weight of each subject in each draw (R, S), drawn in strata by label; 0 without a label."""
    labelled = _labelled(counts)
    is_blast = np.array([label == blast_class for label in counts.labels], dtype=bool)[labelled]
    weights = np.zeros((replicates, len(counts.cells)))
    if labelled.any():
        units = units_of(groups[labelled], is_blast.astype(np.int64), 2)
        drawn = np.concatenate(list(replicate_weights(units.stratum, replicates, seed)))
        weights[:, labelled] = drawn[:, units.of_cell]
    return weights


def _separation(
    counts: Counts, groups: Indices, blast_class: str, replicates: int, seed: int
) -> tuple[Estimate, Curve | None, list[DecisionCurve]]:
    """AUC, ROC and decision curves of telling subjects labelled `blast_class` from the others by their blast share."""
    labelled = _labelled(counts)
    positive = np.array([label == blast_class for label in counts.labels], dtype=bool)[labelled]
    if positive.all() or not positive.any():
        return Estimate(value=None, reason=_why_no_auc(positive, blast_class)), None, []
    share = counts.predicted[labelled] / counts.cells[labelled]
    truth, scores = (~positive).astype(np.int64), np.stack([share, 1 - share], axis=1)
    outcomes = Outcomes(truth, truth, scores, (f"class {blast_class}", "another class"), positive_index=0)
    units = units_of(groups[labelled], truth, 2)
    bootstrap = Bootstrap(unit="subject", units=units.number, replicates=replicates, seed=seed, level=LEVEL)
    samples = BootstrapSamples(units, (f"{blast_class}", "another class"), bootstrap)
    auc = samples.estimate({"auc": auc_of_subjects(outcomes)})["auc"]["auc"]
    order = np.unique(-share, return_inverse=True)[1]
    rates = (
        np.bincount(order, mask, minlength=order.max() + 1).cumsum() / mask.sum() for mask in (~positive, positive)
    )
    false, true = ([0.0, *rate.tolist()] for rate in rates)
    return auc, Curve(false_positive=false, true_positive=true), decision_curves(share, positive, groups[labelled])


def auc_of_subjects(subjects: Outcomes) -> MetricGroup:
    """The AUC of U subjects by their blast share, one entry of `subjects` each, under the name `auc`.

    A subject is one value here, with no cells over which an exceptional one could be spread. In simulated studies the
    interval of a score over cells held too rarely at both ends (docs/evidence.md), so this one is two-sided.
    """
    group = metric_group(subjects, np.ones(len(subjects.truth), dtype=bool), {"auc": METRICS["auc"]})
    return MetricGroup(group.compute, {name: replace(spec, two_sided=True) for name, spec in group.specs.items()})


def _why_no_auc(positive: Mask, blast_class: str) -> str:
    if not len(positive):
        return "no subject has a label and a prediction"
    return f"{'every' if positive.all() else 'no'} labelled subject is of class {blast_class}"
