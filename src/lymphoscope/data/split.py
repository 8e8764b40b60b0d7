"""Split cells into train, validation and test, or into folds, by whole groups of subjects; at random only on request.

Every class keeps its share of cells and of subjects in each part.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.groups import subject_groups
from lymphoscope.data.identity import refuse_spelling_conflicts
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.overview import split_notices
from lymphoscope.data.partial_labels import add_partial_labels
from lymphoscope.data.similarity import with_fingerprints, without_near_duplicates
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted

Counts = NDArray[np.int64]
"""(G, K) cells of each group and class."""
Assignments = NDArray[np.int64]
"""(G,) part of each group, or (T, G) for T candidates."""
By = Literal["subject", "random"]

MAX_CANDIDATES = 20_000
"""Candidate assignments that are compared; fewer if there are many groups, when any of them is near the shares."""
_NEARLY_AS_ASKED = 0.2
"""Relative difference of a part from its share up to which nothing is said: 16 to 24 % for 20 %."""
_MAX_TABLE_CELLS = 2_000_000
_COST_OF_MISSING_CLASS = 100.0
_MAX_FAIR_SHARE = 0.3
# Fewer cells of a class say little, from however many subjects: N of them cost _COST_OF_FEW * (1 / N - 1 / _FEW).
_FEW = 20
_COST_OF_FEW = 0.6


class Part(NamedTuple):
    """The aim for a part: its share (0-1) of every class, and the penalty on one group that dominates it."""

    share: float
    largest_group_penalty: float


def stratified_parts(counts: Counts, parts: list[Part], generator: np.random.Generator) -> Assignments:
    """Assign every group to a part, (G,) int in 0..P-1, from counts (G, K) of cells by class; the P shares sum to 1.

    Returns the best of many stratified candidates by the sum, over classes and parts, of: the squared distance of the
    share of cells, and of groups, from the part's share; how far one group exceeds its fair share of the cells; and a
    cost for few cells. Deterministic under the generator.
    """
    tries = int(np.clip(_MAX_TABLE_CELLS // max(len(counts), 1), 4, MAX_CANDIDATES))
    strata = _rarest_class(counts)
    best, lowest = np.zeros(len(counts), dtype=np.int64), np.inf
    # Also without strata: where subjects have cells of several classes, the strata are small and arbitrary.
    for candidate_strata in (strata, np.zeros_like(strata)):
        shares = np.array([part.share for part in parts])
        candidates = _candidates(candidate_strata, shares, tries // 2, generator)
        costs = _costs(candidates, counts, parts)
        if costs.min() < lowest:
            lowest, best = costs.min(), candidates[costs.argmin()]
    return best


def _rarest_class(counts: Counts) -> NDArray[np.int64]:
    """(G,): the class of which a group has the largest share."""
    rarest: NDArray[np.int64] = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)
    return rarest


def _candidates(
    strata: NDArray[np.int64], shares: NDArray[np.float64], tries: int, generator: np.random.Generator
) -> Assignments:
    """(T, G) parts: each stratum shuffled, then cut at the shares from a random start (systematic sampling)."""
    candidates = np.zeros((tries, len(strata)), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        ranks = generator.permuted(np.tile(np.arange(len(members)), (tries, 1)), axis=1)
        positions = (ranks + generator.random((tries, 1))) / len(members)
        edges = np.cumsum(_at_least_one(shares, len(members)))[:-1]
        candidates[:, members] = np.searchsorted(edges, positions, side="right")
    return candidates


def _at_least_one(shares: NDArray[np.float64], members: int) -> NDArray[np.float64]:
    """Raise the shares so that each part gets a member if there are enough of them."""
    if members < len(shares):
        return shares
    raised = np.maximum(shares, 1 / members)
    above = raised - 1 / members
    lowered: NDArray[np.float64] = raised - (raised.sum() - 1) * above / max(above.sum(), 1e-12)
    return lowered


def _costs(candidates: Assignments, counts: Counts, parts: list[Part]) -> NDArray[np.float64]:
    """(T,): how far each candidate is from the aims of the parts."""
    costs = np.zeros(len(candidates))
    for number, part in enumerate(parts):
        chosen = candidates == number  # (T, G)
        for class_counts in counts.T:  # (G,)
            costs += _cost(chosen, class_counts, part)
    return costs


def _cost(chosen: NDArray[np.bool_], class_counts: NDArray[np.int64], part: Part) -> NDArray[np.float64]:
    has_class = (class_counts > 0).astype(np.int64)
    cells = chosen @ class_counts
    largest = (chosen * class_counts).max(axis=1) / np.maximum(cells, 1)
    cell_error = (cells / class_counts.sum() - part.share) ** 2
    group_error = (chosen @ has_class / has_class.sum() - part.share) ** 2
    too_large = np.maximum(largest - _MAX_FAIR_SHARE, 0) ** 2
    few = _COST_OF_FEW * np.maximum(1 / np.maximum(cells, 1) - 1 / _FEW, 0)
    missing = _COST_OF_MISSING_CLASS * (cells == 0)
    cost: NDArray[np.float64] = cell_error + group_error + part.largest_group_penalty * too_large + few + missing
    return cost


# Penalty on one subject that dominates a part. A small test part takes none of the largest subjects; validation prefers
# one of them to a handful of cells; in folds every subject is tested once, and large ones should not share a fold.
_TRAIN, _VALIDATION, _TEST, _FOLD = 0.0, 0.1, 0.5, 0.07


def split_holdout(
    manifest: Manifest,
    *,
    test: float = 0.2,
    validation: float = 0.15,
    by: By = "subject",
    seed: int = 0,
    partial_labels: bool = False,
) -> Manifest:
    """Assign every labelled cell to train, validation or test in `split`, and its subject group in `group`.

    `test` is a share of all labelled cells, `validation` of the remaining ones; 0 for no validation. Whole groups are
    assigned, every class to every part; `by="random"` assigns single cells, and a notice and `split_by` say so.
    With `partial_labels` cells with possible labels are training cells, unless a held-out cell is of the same group or
    a near duplicate. Notices say how many training images of test cells are left out, and which part has another share
    than asked. Raises LymphoscopeError: shares out of range, one class, one subject, too few groups of a class, an
    unknown possible label.
    """
    _check_share("test", test)
    _check_validation(validation)
    table = _grouped(manifest, by)
    generator = np.random.default_rng(seed)
    validation_share = (1 - test) * validation
    parts = {"train": Part(1 - test - validation_share, _TRAIN), "test": Part(test, _TEST)}
    if validation > 0:
        parts["validation"] = Part(validation_share, _VALIDATION)
    # All at once: one after the other, the last part would get what the others leave of a few small subjects.
    table["split"] = _assign(table, list(parts.values()), generator).map(dict(enumerate(parts)))
    asked = {"test": test, **({"validation": validation_share} if validation > 0 else {})}
    return _finish(manifest, table, partial_labels, _shortfalls(table, asked))


def split_folds(
    manifest: Manifest,
    folds: int = 5,
    *,
    validation: float = 0.15,
    by: By = "subject",
    seed: int = 0,
    partial_labels: bool = False,
) -> list[Manifest]:
    """Return one manifest per fold: `fold` is the fold in which a cell is tested, `split` its part in this fold.

    Every labelled cell is tested exactly once. Raises LymphoscopeError as `split_holdout` does, and for fewer groups
    of a class than folds.
    """
    if folds < 2:
        raise LymphoscopeError(f"{folds} folds: cross-validation needs at least two")
    _check_validation(validation)
    table = _grouped(manifest, by)
    generator = np.random.default_rng(seed)
    table["fold"] = _assign(table, [Part(1 / folds, _FOLD)] * folds, generator)
    parts = [_fold(table, fold, validation, generator) for fold in range(folds)]
    return [_finish(manifest, part, partial_labels) for part in parts]


def _fold(table: pd.DataFrame, fold: int, validation: float, generator: np.random.Generator) -> pd.DataFrame:
    table = table.assign(split=table["fold"].map(dict.fromkeys(table["fold"].dropna(), "train") | {fold: "test"}))
    _hold_out_validation(table, validation, generator)
    return table


def _grouped(manifest: Manifest, by: By) -> pd.DataFrame:
    """The table with `group`, and `unit`: what is assigned as a whole."""
    if by not in ("subject", "random"):
        raise LymphoscopeError(f"a split by {by!r} is unknown: use subject or random")
    if len(manifest.classes) < 2:
        raise LymphoscopeError(
            f"a split needs at least two classes, and there is {', '.join(manifest.classes) or 'none'}"
        )
    refuse_spelling_conflicts(manifest.table, ("label",) if by == "random" else ("subject", "label"))
    prepared = with_fingerprints(manifest)
    table = prepared.table.drop(columns=["split", "fold"], errors="ignore")
    table["group"] = subject_groups(prepared)
    table["unit"] = table["group"] if by == "subject" else table["path"] + table.index.astype(str)
    return table


def _assign(table: pd.DataFrame, parts: list[Part], generator: np.random.Generator) -> "pd.Series[Any]":
    """The number of the part of every labelled cell, on the index of `table`; NA for the others."""
    cells = table[table["label"].notna()]
    counts = pd.crosstab(cells["unit"], cells["label"])
    _check_enough(counts, len(parts))
    assigned = pd.Series(stratified_parts(counts.to_numpy(), parts, generator), index=counts.index)
    _check_classes(counts, assigned, len(parts))
    return cells["unit"].map(assigned).reindex(table.index).astype("Int64")


def _hold_out_validation(table: pd.DataFrame, share: float, generator: np.random.Generator) -> None:
    if share > 0:
        parts = [Part(1 - share, _TRAIN), Part(share, _VALIDATION)]
        assigned = _assign(table[table["split"] == "train"], parts, generator)
        table.loc[assigned.index[assigned == 1], "split"] = "validation"


def _shortfalls(table: pd.DataFrame, asked: dict[str, float]) -> list[str]:
    """Notices for parts whose share of the labelled cells is far from what was asked for."""
    shares = table["split"].value_counts(normalize=True)  # of the cells with a part, which are the labelled ones
    return [
        f"{part} has {shares.get(part, 0.0):.0%} of the cells, {share:.0%} were asked for: "
        "subjects stay whole, and no closer assignment has every class in every part"
        for part, share in asked.items()
        if abs(shares.get(part, 0.0) - share) > max(_NEARLY_AS_ASKED * share, 1 / table["split"].notna().sum())
    ]


def _finish(manifest: Manifest, table: pd.DataFrame, partial_labels: bool, notices: Sequence[str] = ()) -> Manifest:
    if partial_labels:
        table = add_partial_labels(table, table["unit"])
    table, left_out = without_near_duplicates(table.drop(columns="unit"))
    notice = (f"left out of training: {counted(left_out, 'image')} of held-out cells",) if left_out else ()
    return manifest.with_table(table, *split_notices(table), *notices, *notice)


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise LymphoscopeError(f"{name} {share}: give a share between 0 and 1, such as 0.2")


def _check_validation(share: float) -> None:
    if share != 0:
        _check_share("validation", share)


def _check_enough(counts: pd.DataFrame, parts: int) -> None:
    if len(counts) == 1:
        raise LymphoscopeError(
            f"all cells are of one subject, or of subjects who share cells ({str(counts.index[0])[:60]}): "
            "a split by subject needs two of each class; add subjects, or ask for a random split"
        )
    groups = (counts > 0).sum()
    if groups.min() < parts:
        raise LymphoscopeError(
            f"class {groups.idxmin()} has {groups.min()} groups (subjects, or cells in a random split) for "
            f"{parts} parts: ask for fewer folds, no validation (0), or a random split"
        )


def _check_classes(counts: pd.DataFrame, assigned: "pd.Series[Any]", parts: int) -> None:
    present = counts.groupby(assigned).sum().reindex(range(parts), fill_value=0) > 0
    if not present.all(axis=None):
        name = present.columns[~present.all()][0]
        raise LymphoscopeError(
            f"no assignment of whole subjects puts class {name} into every part: "
            "ask for fewer folds, no validation (0), or a random split"
        )
