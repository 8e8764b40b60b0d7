"""The cells of an experiment: fewer on request, and the phases of C-NMC as Table 2 has them."""

from typing import Any, Literal

import pandas as pd

from lymphoscope.data import Manifest, split_holdout, subject_groups
from lymphoscope.errors import LymphoscopeError

Phases = Literal["offline", "final"]


def limited(manifest: Manifest, cells: int | None) -> Manifest:
    """At most `cells` labelled cells, as many of each class as there are, spread over the subjects; all for None.

    The cells without a label stay. The same cells always: nothing is drawn. Raises LymphoscopeError for fewer than
    two a class.
    """
    labelled = manifest.table[manifest.table["label"].notna()]
    if cells is None or len(labelled) <= cells:
        return manifest
    if cells < 2 * len(manifest.classes):
        raise LymphoscopeError(f"--limit-cells {cells}: {len(manifest.classes)} classes take two cells each at least")
    kept = _spread(labelled).head(cells).index
    table = manifest.table[manifest.table["label"].isna() | manifest.table.index.isin(kept)]
    return manifest.with_table(table.reset_index(drop=True))


def _spread(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order that goes round the classes, and within a class round its subjects."""
    subject = table["subject"].fillna("")
    turn = table.groupby([table["label"], subject]).cumcount()
    ordered = table.assign(_turn=turn, _subject=subject).sort_values(["_turn", "_subject", "path"], kind="stable")
    place = ordered.groupby("label").cumcount()
    return ordered.assign(_place=place).sort_values(["_place", "label"], kind="stable")


def phases_of(manifest: Manifest) -> set[str]:
    """The phases of C-NMC whose pictures are here; those of training count only with labels."""
    table = manifest.table
    known = table["label"].notna() | (table["phase"] == "phase-3")
    return set(table.loc[known, "phase"].dropna())


def phase_split(manifest: Manifest, which: Phases, *, validation: float, seed: int) -> Manifest | None:
    """The parts of Table 2: None where a phase that it takes is not here.

    `offline` trains on Phase-I and tests on Phase-II; `final` trains on both and leaves Phase-III, which has no
    labels, out of every part. Inner subjects of what is trained on are held out for early stopping. Who is in
    training and in the test, or shares a cell with one who is, would be a leak: those training cells are left out.
    """
    wanted = {"phase-1", "phase-2"} if which == "offline" else {"phase-1", "phase-2", "phase-3"}
    if not wanted <= phases_of(manifest):
        return None
    table = manifest.table
    test = (table["phase"] == "phase-2") & table["label"].notna() if which == "offline" else table["phase"] == "none"
    groups = subject_groups(manifest)
    seen = groups.isin(set(groups[test]))
    training = table[table["label"].notna() & ~test & ~seen & (table["phase"] != "phase-3")]
    inner = split_holdout(manifest.with_table(training), test=validation, validation=0, seed=seed)
    rows = inner.table.assign(split=inner.table["split"].replace("test", "validation"))
    tested = manifest.table[test].assign(split="test")
    return manifest.with_table(pd.concat([rows, tested], ignore_index=True), *inner.notices)


def unlabelled_phase(manifest: Manifest) -> Manifest:
    """The cells of Phase-III in the order of their file numbers, 1.bmp, 2.bmp, 10.bmp, as the challenge wants them."""
    table = manifest.table[manifest.table["phase"] == "phase-3"]
    order = sorted(table.index, key=lambda row: _number(str(table.at[row, "path"])))
    return manifest.with_table(table.loc[order])


def _number(path: str) -> tuple[int, Any]:
    stem = path.rpartition("/")[2].rpartition(".")[0]
    return (int(stem), "") if stem.isdigit() else (2**62, path)
