"""The leak guard: what is judged is compared with what was trained on, before any work, and a leak stops it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lymphoscope.data import (
    FINGERPRINT_COLUMNS,
    CellLeak,
    Manifest,
    below_common_folder,
    leak_checks,
    leaks_between,
    split_leaks,
    with_fingerprints,
)
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leak, Leakage
from lymphoscope.extras import require
from lymphoscope.files import written_beside
from lymphoscope.model_file import Description
from lymphoscope.runs.results import count_by_kind

TRAINING_CELLS = "training_cells.parquet"

_NAMED = 3
_KEPT = ("path", "label", "subject", "split", *FINGERPRINT_COLUMNS)
_NO_CELLS = "the model keeps no fingerprints of the cells that it was trained on, so duplicates could not be looked for"
_NOTHING = "the model does not say what it was trained on"


@dataclass(frozen=True)
class TrainingCells:
    """What a model has seen in training: a row a cell, or a row a subject; `reason` says what is not known of it."""

    table: pd.DataFrame
    reason: str | None = None


def training_cells_of_split(manifest: Manifest) -> TrainingCells:
    """The cells of training and validation of a manifest with `split`."""
    return TrainingCells(manifest.table[manifest.table["split"].isin(["train", "validation"])])


def training_cells_of_model(folder: Path, description: Description) -> TrainingCells:
    """What the model in `folder` was trained on: from `training_cells.parquet`, else its subjects by name.

    Raises LymphoscopeError where an installation can read no Parquet or compare no pictures: a guard that looks for
    less than it was made for would be none.
    """
    if (folder / TRAINING_CELLS).is_file():
        for extra in ("parquet", "audit"):
            require(extra, f"the leak guard of {folder}")
        return TrainingCells(pd.read_parquet(folder / TRAINING_CELLS))
    parts = description.trained_on.get("subjects", {})
    subjects = [*parts.get("train", ()), *parts.get("validation", ())]
    table = pd.DataFrame({"path": [f"subject {name}" for name in subjects], "subject": subjects}, dtype=object)
    return TrainingCells(table, _NO_CELLS if subjects else _NOTHING)


def write_training_cells(manifest: Manifest, folder: Path) -> None:
    """Keep beside a model what tells its training cells again: names, subjects and fingerprints, and no picture."""
    table = training_cells_of_split(with_fingerprints(manifest)).table
    kept = table.reindex(columns=list(_KEPT)).assign(path=below_common_folder(list(table["path"])))
    with written_beside(folder / TRAINING_CELLS) as beside:
        kept.to_parquet(beside, index=False)


def find_leaks(judged: Manifest, known: TrainingCells) -> Leakage:
    """What of the judged cells the model knows; their pictures are read where the model keeps fingerprints."""
    compared = with_fingerprints(judged) if "sha256" in known.table else judged
    leaks = leaks_between(compared.table, known.table)
    return leakage_of(leaks, leak_checks(compared.table, known.table), known.reason)


def leakage_of(leaks: Sequence[CellLeak], checked: list[str], reason: str | None = None) -> Leakage:
    """Leaks as metrics.json holds them; whoever goes on in spite of them has allowed them."""
    if "subjects" not in checked and reason is None:
        reason = "no subjects are known of these cells"
    return Leakage(
        checked=checked,
        allowed=bool(leaks),
        leaking_cells=len({leak.path for leak in leaks}),
        leaks=[Leak(**leak._asdict()) for leak in leaks],
        reason=reason,
    )


def refuse_leaks(leaks: "Sequence[CellLeak | Leak]", *, allow: bool, mend: str = "mend the split") -> None:
    """Raise LymphoscopeError, one line that names the cells, where there are leaks that are not allowed."""
    if not leaks or allow:
        return
    named = ", ".join(Path(leak.path).name for leak in leaks[:_NAMED])
    more = f" and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    cells = "1 cell" if len(leaks) == 1 else f"{len(leaks)} cells"
    raise LymphoscopeError(
        f"LEAK: {cells} to be judged {'was' if len(leaks) == 1 else 'were'} seen in training ({count_by_kind(leaks)}): "
        f"{named}{more}; first: {leaks[0].detail}. Either {mend}, or say --allow-leak, and every page will say so"
    )


def refuse_split(manifest: Manifest, *, by: str, allow: bool) -> None:
    """Raise LymphoscopeError where the parts of a split share a cell, or a subject that was not dealt at random.

    `by` is what the recipe asks for: "random" says on purpose that subjects stand in two parts.
    """
    leaks = split_leaks(with_fingerprints(manifest).table)
    refuse_leaks([leak for leak in leaks if leak.kind != "subject" or by != "random"], allow=allow)
