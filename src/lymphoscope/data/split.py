"""Whole groups dealt into parts so that every class keeps its share of cells and of subjects in each part.

Train, validation and test by whole groups of subjects; at random only when asked.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.groups import subject_groups
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.similarity.fingerprints import with_fingerprints
from lymphoscope.data.similarity.leaks import without_twins
from lymphoscope.data.summary import split_notices
from lymphoscope.errors import LymphoscopeError

Counts = NDArray[np.int64]
Parts = NDArray[np.int64]

MOST_CANDIDATES = 20_000
"""Deals that are tried; fewer where there are many groups, because then any of them is near the shares."""
_MOST_CELLS_OF_A_TABLE = 2_000_000
_MISSING_CLASS = 100.0
_LARGEST_FAIR_SHARE = 0.3
# Fewer cells than this of a class tell little, from however many subjects: N of them cost so much * (1/N - 1/FEW).
_FEW = 20
_COST_OF_FEW = 0.6


class Part(NamedTuple):
    """What a part should hold: its share (0-1) of every class, and the weight against one group that is most of it."""

    share: float
    against_largest: float


def stratified_parts(counts: Counts, parts: list[Part], generator: np.random.Generator) -> Parts:
    """The part of every group, (G,) int in 0..P-1, for counts (G, K) of cells by class; the P shares sum to 1.

    The best of many stratified deals by, for each class in each part: the distance of its share of cells, and of
    groups, from the part's share; how far one group holds more than its fair share of the cells; and having few
    cells at all. Deterministic under the generator.
    """
    tries = int(np.clip(_MOST_CELLS_OF_A_TABLE // max(len(counts), 1), 4, MOST_CANDIDATES))
    strata = _rarest_class(counts)
    best, lowest = np.zeros(len(counts), dtype=np.int64), np.inf
    # Without strata too: where subjects hold several classes each, the strata are small and arbitrary.
    for dealt_by in (strata, np.zeros_like(strata)):
        deals = _deals(dealt_by, np.array([part.share for part in parts]), tries // 2, generator)
        costs = _costs(deals, counts, parts)
        if costs.min() < lowest:
            lowest, best = costs.min(), deals[costs.argmin()]
    return best


def _rarest_class(counts: Counts) -> NDArray[np.int64]:
    """(G,): the class of which a group holds the largest part."""
    rarest: NDArray[np.int64] = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)
    return rarest


def _deals(strata: NDArray[np.int64], shares: NDArray[np.float64], tries: int, generator: Any) -> Parts:
    """(T, G) parts: each stratum shuffled, then cut at the shares from a random start (systematic sampling)."""
    deals = np.zeros((tries, len(strata)), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        ranks = generator.permuted(np.tile(np.arange(len(members)), (tries, 1)), axis=1)
        places = (ranks + generator.random((tries, 1))) / len(members)
        edges = np.cumsum(_at_least_one(shares, len(members)))[:-1]
        deals[:, members] = np.searchsorted(edges, places, side="right")
    return deals


def _at_least_one(shares: NDArray[np.float64], members: int) -> NDArray[np.float64]:
    """Shares raised so that each part gets a member where there are enough of them."""
    if members < len(shares):
        return shares
    raised = np.maximum(shares, 1 / members)
    above = raised - 1 / members
    lowered: NDArray[np.float64] = raised - (raised.sum() - 1) * above / max(above.sum(), 1e-12)
    return lowered


def _costs(deals: Parts, counts: Counts, parts: list[Part]) -> NDArray[np.float64]:
    """(T,): how far each deal is from what the parts should hold."""
    costs = np.zeros(len(deals))
    for place, part in enumerate(parts):
        chosen = deals == place  # (T, G)
        for held in counts.T:  # (G,)
            costs += _cost(chosen, held, part)
    return costs


def _cost(chosen: NDArray[np.bool_], held: NDArray[np.int64], part: Part) -> NDArray[np.float64]:
    holds = (held > 0).astype(np.int64)
    cells = chosen @ held
    largest = (chosen * held).max(axis=1) / np.maximum(cells, 1)
    off = (cells / held.sum() - part.share) ** 2 + (chosen @ holds / holds.sum() - part.share) ** 2
    too_large = np.maximum(largest - _LARGEST_FAIR_SHARE, 0) ** 2
    few = _COST_OF_FEW * np.maximum(1 / np.maximum(cells, 1) - 1 / _FEW, 0)
    missing = _MISSING_CLASS * (cells == 0)
    cost: NDArray[np.float64] = off + part.against_largest * too_large + few + missing
    return cost


By = Literal["subject", "random"]

# Weights against one subject who is most of a part. A small test takes none of the largest subjects; validation had
# rather have one than a handful of cells; in folds every subject is test once, and large ones had better not share one.
_TRAIN, _VALIDATION, _TEST, _FOLD = 0.0, 0.1, 0.5, 0.07


def split_holdout(
    manifest: Manifest, *, test: float = 0.2, validation: float = 0.15, by: By = "subject", seed: int = 0
) -> Manifest:
    """Mark every labelled cell train, validation or test in `split`, and its subject group in `group`.

    `test` is a share of all labelled cells, `validation` of those that the test leaves; 0 for no validation. Whole
    groups are dealt, every class into every part; `by="random"` deals cells, and a notice and `split_by` say so. A cell
    of training that shows a tested one, in another file, is left out and a notice says how many. Raises
    LymphoscopeError: shares out of range, one class, one subject, too few groups of a class.
    """
    _check_share("test", test)
    _check_validation(validation)
    table = _grouped(manifest, by)
    generator = np.random.default_rng(seed)
    inner = (1 - test) * validation
    parts = {"train": Part(1 - test - inner, _TRAIN), "test": Part(test, _TEST)}
    if validation > 0:
        parts["validation"] = Part(inner, _VALIDATION)
    # All in one deal: dealt one after the other, the last part gets what the others left of a few small subjects.
    table["split"] = _deal(table, list(parts.values()), generator).map(dict(enumerate(parts)))
    return _marked(manifest, table)


def split_folds(
    manifest: Manifest, folds: int = 5, *, validation: float = 0.15, by: By = "subject", seed: int = 0
) -> list[Manifest]:
    """One manifest a fold: `fold` says in which of them a cell is test, `split` what it is in this one.

    Every labelled cell is test exactly once. Raises LymphoscopeError as `split_holdout` does, and for fewer groups
    of a class than folds.
    """
    if folds < 2:
        raise LymphoscopeError(f"{folds} folds: cross-validation takes two or more")
    _check_validation(validation)
    table = _grouped(manifest, by)
    generator = np.random.default_rng(seed)
    table["fold"] = _deal(table, [Part(1 / folds, _FOLD)] * folds, generator)
    return [_fold(manifest, table, fold, validation, generator) for fold in range(folds)]


def _fold(
    manifest: Manifest, table: pd.DataFrame, fold: int, validation: float, generator: np.random.Generator
) -> Manifest:
    table = table.assign(split=table["fold"].map(dict.fromkeys(table["fold"].dropna(), "train") | {fold: "test"}))
    _hold_out_validation(table, validation, generator)
    return _marked(manifest, table)


def _grouped(manifest: Manifest, by: By) -> pd.DataFrame:
    """The table with `group`, and `unit`: what is dealt whole."""
    if by not in ("subject", "random"):
        raise LymphoscopeError(f"a split by {by!r} is not known: use subject or random")
    if len(manifest.classes) < 2:
        raise LymphoscopeError(
            f"a split needs two classes or more, and there is {', '.join(manifest.classes) or 'none'}"
        )
    prepared = with_fingerprints(manifest)
    table = prepared.table.drop(columns=["split", "fold"], errors="ignore")
    table["group"] = subject_groups(prepared)
    table["unit"] = table["group"] if by == "subject" else table["path"] + table.index.astype(str)
    return table


def _deal(table: pd.DataFrame, parts: list[Part], generator: np.random.Generator) -> "pd.Series[Any]":
    """The part of every labelled cell of `table`, on its index; NA for the others."""
    cells = table[table["label"].notna()]
    counts = pd.crosstab(cells["unit"], cells["label"])
    _check_enough(counts, len(parts))
    dealt = pd.Series(stratified_parts(counts.to_numpy(), parts, generator), index=counts.index)
    _check_all_there(counts, dealt, len(parts))
    return cells["unit"].map(dealt).reindex(table.index).astype("Int64")


def _hold_out_validation(table: pd.DataFrame, share: float, generator: np.random.Generator) -> None:
    if share > 0:
        parts = [Part(1 - share, _TRAIN), Part(share, _VALIDATION)]
        dealt = _deal(table[table["split"] == "train"], parts, generator)
        table.loc[dealt.index[dealt == 1], "split"] = "validation"


def _marked(manifest: Manifest, table: pd.DataFrame) -> Manifest:
    parted, left_out = without_twins(table.drop(columns="unit"))
    told = (f"{left_out} cells were left out of training: they show cells that are tested",) if left_out else ()
    return manifest.with_table(parted, *split_notices(parted), *told)


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
            "a split by subject needs two of each class; bring more, or ask for a random split"
        )
    held = (counts > 0).sum()
    if held.min() < parts:
        raise LymphoscopeError(
            f"class {held.idxmin()} has {held.min()} groups to deal (subjects, or cells in a random split) where "
            f"{parts} parts are asked for: ask for fewer folds, no validation (0), or a random split"
        )


def _check_all_there(counts: pd.DataFrame, parts: "pd.Series[Any]", number: int) -> None:
    there = counts.groupby(parts).sum().reindex(range(number), fill_value=0) > 0
    if not there.all(axis=None):
        name = there.columns[~there.all()][0]
        raise LymphoscopeError(
            f"no deal of whole subjects puts class {name} into every part: "
            "ask for fewer folds, no validation (0), or a random split"
        )
