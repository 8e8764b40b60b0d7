"""Table 2: which phases of C-NMC are available, the challenge's submission file, and what only its server can tell."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lymphoscope.data import Manifest
from lymphoscope.experiments.cell_selection import available_phases, unlabelled_phase
from lymphoscope.experiments.columns import FinishedGrid, FinishedRun
from lymphoscope.experiments.definition import load_definition
from lymphoscope.experiments.result import Result, Row
from lymphoscope.files import write_text, written_beside

SUBMISSION_FILE = "isbi_valid.predict"
PHASE_FOLDERS = {
    "phase-1": "C-NMC_training_data",
    "phase-2": "C-NMC_test_prelim_phase_data",
    "phase-3": "C-NMC_test_final_phase_data",
}
NEEDS_SERVER = (
    "The score on Phase-III: its labels are not public. Only the challenge's server gives it: send submission.zip "
    "to it (CodaLab competition 20395, which may have closed since)."
)
_NEEDED_PHASES = {"offline": ("phase-1", "phase-2"), "final": ("phase-1", "phase-2", "phase-3")}


def add_submission(result: Result, grid: FinishedGrid) -> Result:
    """Add the submission files, name rows that are only a holdout, and list what is missing."""
    available = available_phases(grid.manifest)
    cells_of = {run.title: run.cells for run in load_definition(result.name).runs.values()}
    rows = [_named_honestly(row, cells_of[row.name], available) for row in result.rows]
    facts = list(result.facts)
    if not set(PHASE_FOLDERS) - available:
        final = [each for each in grid.runs.values() if each.run.definition.cells == "final"]
        facts += [_predict_phase_3(each, grid.manifest, grid.request.out) for each in final]
    missing = [*result.missing, *describe_missing_phases(available, PHASE_FOLDERS), NEEDS_SERVER]
    return result.model_copy(update={"rows": rows, "facts": facts, "missing": missing})


def add_missing_phases(result: Result, grid: FinishedGrid) -> Result:
    """List which of Phase-I and Phase-II is missing."""
    missing = describe_missing_phases(available_phases(grid.manifest), ("phase-1", "phase-2"))
    return result.model_copy(update={"missing": [*result.missing, *missing]})


def describe_missing_phases(available: set[str], needed: Iterable[str]) -> list[str]:
    """One sentence for each needed phase whose images are not available, with how to add it."""
    return [
        f"The images of {phase} ({PHASE_FOLDERS[phase]}): download C-NMC 2019 (doi 10.7937/tcia.2019.dc64i46r), "
        "and give its folder."
        for phase in needed
        if phase not in available
    ]


def write_submission(table: pd.DataFrame, blast_class: str, folder: Path) -> Path:
    """Write predictions, in the order of their rows, in the challenge's format: a line per cell, 1 malignant, 0 normal.

    The plain file and `submission.zip`, which contains it, are written to `folder`. An unreadable cell counts as 0.
    """
    lines = [str(int(predicted == blast_class)) for predicted in table["predicted"]]
    write_text(folder / SUBMISSION_FILE, "\n".join(lines) + "\n")
    with written_beside(folder / "submission.zip") as beside, zipfile.ZipFile(beside, "w") as archive:
        archive.write(folder / SUBMISSION_FILE, SUBMISSION_FILE)
    return folder / "submission.zip"


def _named_honestly(row: Row, cells: str, available: set[str]) -> Row:
    """A run whose phases are missing is a holdout of the cells that are available: another question, named so."""
    if set(_NEEDED_PHASES.get(cells, ())) <= available:
        return row
    verdict = "phases are missing: an inner holdout of subjects instead, which is not the paper's target"
    return row.model_copy(update={"name": f"{row.name} (inner holdout)", "verdict": verdict})


def _predict_phase_3(finished: FinishedRun, manifest: Manifest, out: Path) -> str:
    from lymphoscope.evaluation import read_predictions
    from lymphoscope.inference import load, predict_manifest

    folder = finished.run.folder.path
    model = load(finished.run.folder.model)
    predictions = folder / "phase_3.parquet"
    if not predictions.is_file():
        predict_manifest(model, unlabelled_phase(manifest), predictions, if_exists="overwrite")
    table = read_predictions(predictions)
    blast_class = model.description.blast_class or "all"
    path = write_submission(table, blast_class, folder).relative_to(out).as_posix()
    percentage = 100 * (table["predicted"] == blast_class).mean()
    cells = f"{len(table):,} cells of Phase-III in {path}"
    return f"{finished.run.definition.title}: {cells}, {percentage:.1f} % predicted malignant."
