"""The leak guard: evaluated cells are compared with the training cells before any work, and a leak stops the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lymphoscope.data import CellLeak, Manifest, leak_checks, leaks_between, split_leaks, unchecked_reason
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leak, Leakage
from lymphoscope.extras import require
from lymphoscope.files import written_beside
from lymphoscope.model_file import training_subjects
from lymphoscope.runs.results import count_leaks

if TYPE_CHECKING:
    from lymphoscope.model_file import Description

TRAINING_CELLS = "training_cells.parquet"

_MAX_NAMED = 3
_NO_FINGERPRINTS = "the model has no fingerprints of its training cells, so duplicates were not checked"
_NO_TRAINING_CELLS = "the model does not say what it was trained on"


@dataclass(frozen=True)
class TrainingCells:
    """What a model was trained on: one row per cell or, without cells, per subject; `reason` says what is missing."""

    table: pd.DataFrame
    reason: str | None = None

    @property
    def have_fingerprints(self) -> bool:
        """Whether images can be compared with them."""
        return "sha256" in self.table


def training_cells_of_split(manifest: Manifest) -> TrainingCells:
    """Return the training and validation cells of a split manifest."""
    return TrainingCells(manifest.table[manifest.table["split"].isin(["train", "validation"])])


def training_cells_of_model(folder: Path, description: "Description") -> TrainingCells:
    """Return what the model in `folder` was trained on: its `training_cells.parquet`, else the names of its subjects.

    Raises LymphoscopeError if this installation cannot read Parquet: a guard that checks less than it was made for
    would be none.
    """
    if (folder / TRAINING_CELLS).is_file():
        require("parquet", f"the leak guard of {folder}")
        return TrainingCells(pd.read_parquet(folder / TRAINING_CELLS))
    return training_cells_of_subjects(training_subjects(description.trained_on))


def training_cells_of_subjects(subjects: list[str]) -> TrainingCells:
    """Return the training cells of a model of which only the subjects are known."""
    table = pd.DataFrame({"path": [f"subject {name}" for name in subjects], "subject": subjects}, dtype=object)
    return TrainingCells(table, _NO_FINGERPRINTS if subjects else _NO_TRAINING_CELLS)


def write_training_cells(manifest: Manifest, folder: Path, *, record_subjects: bool = True) -> None:
    """Write beside a model what identifies its training cells: names, subjects and fingerprints, but no image.

    Without `record_subjects` neither subjects nor file names are written, because a name often contains its subject.
    """
    from lymphoscope.data import FINGERPRINT_COLUMNS, below_common_folder, with_fingerprints

    table = training_cells_of_split(with_fingerprints(manifest)).table
    if not record_subjects:
        table = table.assign(subject=None, path=[f"cell {number}" for number in range(len(table))])
    table = table.reindex(columns=["path", "label", "subject", "split", *FINGERPRINT_COLUMNS]).assign(
        path=below_common_folder(list(table["path"]))
    )
    with written_beside(folder / TRAINING_CELLS) as temporary:
        table.to_parquet(temporary, index=False)


def find_leaks(cells: Manifest, training_cells: TrainingCells) -> Leakage:
    """Find the cells that the model was trained on, by the fingerprints that both tables have and by subject."""
    leaks = leaks_between(cells.table, training_cells.table)
    checks = leak_checks(cells.table, training_cells.table)
    reason = training_cells.reason or unchecked_reason(checks)
    return Leakage(
        checked=[str(check) for check in checks],
        allowed=bool(leaks),  # a run with leaks continues only if the user allowed them
        leaking_cells=len({leak.path for leak in leaks}),
        leaks=[Leak(**leak._asdict()) for leak in leaks],
        reason=reason,
    )


def is_held_out(leakage: Leakage) -> bool:
    """Return True if every leak check ran and found nothing."""
    return leakage.reason is None and not leakage.leaks


def refuse_leaks(leaks: "Sequence[CellLeak | Leak]", *, allow: bool, remedy: str = "correct the split") -> None:
    """Raise LymphoscopeError, one line that names the cells, if there are leaks that are not allowed."""
    if not leaks or allow:
        return
    names = ", ".join(Path(leak.path).name for leak in leaks[:_MAX_NAMED])
    more = f" and {len(leaks) - _MAX_NAMED} more" if len(leaks) > _MAX_NAMED else ""
    cells = "1 evaluated cell was" if len(leaks) == 1 else f"{len(leaks)} evaluated cells were"
    raise LymphoscopeError(
        f"LEAK: {cells} used in training ({count_leaks(leaks)}): {names}{more}; first: {leaks[0].detail}. "
        f"Either {remedy}, or continue with --allow-leak; the report is then marked"
    )


def refuse_split(manifest: Manifest, *, by: str, allow: bool) -> None:
    """Raise LymphoscopeError if the parts of a split share a cell, or a subject that was not split at random.

    The manifest has fingerprints. `by` is the recipe's `split.by`: "random" accepts subjects in two parts.
    """
    leaks = split_leaks(manifest.table)
    refuse_leaks([leak for leak in leaks if leak.kind != "subject" or by != "random"], allow=allow)
