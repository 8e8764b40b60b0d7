"""The cells of an experiment: read from their source, limited on request, and split by the phases of C-NMC."""

import pandas as pd

from lymphoscope.data import Manifest, read_source, split_holdout, subject_groups, with_fingerprints
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.definition import Phases
from lymphoscope.experiments.request import Request


def experiment_cells(request: Request) -> Manifest:
    """The cells of a request, limited as it says, with the fingerprints that splits need.

    Raises LymphoscopeError if the request names no cells.
    """
    manifest = read_source(check_cells_are_named(request), subject_pattern=request.subject_pattern)
    return with_fingerprints(limit_cells(manifest, request.limits.cells))


def check_cells_are_named(request: Request) -> str:
    """The source of the cells. Raises LymphoscopeError if the request names none."""
    if request.data is None:
        raise LymphoscopeError(f"{request.name} needs cells: name them with --data SRC")
    return request.data


def limit_cells(manifest: Manifest, cells: int | None) -> Manifest:
    """At most `cells` labelled cells, balanced over the classes and spread over the subjects; all of them for None.

    Cells without a label remain. Nothing is random: the same cells are chosen every time. Raises LymphoscopeError for
    fewer than two cells per class.
    """
    labelled = manifest.table[manifest.table["label"].notna()]
    if cells is None or len(labelled) <= cells:
        return manifest
    if cells < 2 * len(manifest.classes):
        raise LymphoscopeError(f"--limit-cells {cells}: {len(manifest.classes)} classes need at least two cells each")
    chosen = _round_robin(labelled).head(cells).index
    table = manifest.table[manifest.table["label"].isna() | manifest.table.index.isin(chosen)]
    return manifest.with_table(table.reset_index(drop=True))


def _round_robin(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order that alternates between the classes, and within a class between its subjects."""
    subject = table["subject"].fillna("")
    turn = table.groupby([table["label"], subject]).cumcount()
    ordered = table.assign(_turn=turn, _subject=subject).sort_values(["_turn", "_subject", "path"], kind="stable")
    rank = ordered.groupby("label").cumcount()
    return ordered.assign(_rank=rank).sort_values(["_rank", "label"], kind="stable")


def available_phases(manifest: Manifest) -> set[str]:
    """The phases of C-NMC whose images are available; those for training count only with labels."""
    table = manifest.table
    usable = table["label"].notna() | (table["phase"] == "phase-3")
    return set(table.loc[usable, "phase"].dropna())


def phase_split(manifest: Manifest, which: Phases, *, validation: float, seed: int) -> Manifest | None:
    """The split of Table 2; None if a phase that it needs is not available.

    `offline` trains on Phase-I and tests on Phase-II; `final` trains on both and leaves Phase-III, which has no
    labels, out of every part. Validation subjects are held out of the training phases for early stopping. Training
    cells of a subject who is in the test too, or shares a cell with one, are left out: they would be a leak.
    """
    needed = {"phase-1", "phase-2"} if which == "offline" else {"phase-1", "phase-2", "phase-3"}
    if not needed <= available_phases(manifest):
        return None
    table = manifest.table
    test = (table["phase"] == "phase-2") & table["label"].notna() if which == "offline" else table["phase"] == "none"
    groups = subject_groups(manifest)
    in_test = groups.isin(set(groups[test]))
    training = table[table["label"].notna() & ~test & ~in_test & (table["phase"] != "phase-3")]
    split = split_holdout(manifest.with_table(training), test=validation, validation=0, seed=seed)
    rows = split.table.assign(split=split.table["split"].replace("test", "validation"))
    test_rows = manifest.table[test].assign(split="test")
    return manifest.with_table(pd.concat([rows, test_rows], ignore_index=True), *split.notices)


def unlabelled_phase(manifest: Manifest) -> Manifest:
    """The cells of Phase-III in the order that the challenge expects: 1.bmp, 2.bmp, ..., 10.bmp."""
    table = manifest.table[manifest.table["phase"] == "phase-3"]
    order = sorted(table.index, key=lambda row: _file_number(str(table.at[row, "path"])))
    return manifest.with_table(table.loc[order])


def _file_number(path: str) -> tuple[int, str]:
    stem = path.rpartition("/")[2].rpartition(".")[0]
    return (int(stem), "") if stem.isdigit() else (2**62, path)
