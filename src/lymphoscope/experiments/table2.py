"""Table 2: which phases are here, the challenge's submission file, and what only its server can tell."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from lymphoscope.data import Manifest
from lymphoscope.experiments.cells import phases_of, unlabelled_phase
from lymphoscope.experiments.columns import Finished
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Result, Row
from lymphoscope.files import write_text, written_beside

SUBMISSION = "isbi_valid.predict"
PHASES = {
    "phase-1": "C-NMC_training_data",
    "phase-2": "C-NMC_test_prelim_phase_data",
    "phase-3": "C-NMC_test_final_phase_data",
}
_NEEDS = {"offline": ("phase-1", "phase-2"), "final": ("phase-1", "phase-2", "phase-3")}


def added(result: Result, request: Request, done: Mapping[str, Finished], manifest: Manifest) -> Result:
    """What is missing in words, rows renamed where an inner holdout stands in, and the submission files."""
    here = phases_of(manifest)
    rows = [_honest(row, run, here) for row, run in zip(result.rows, _cells(result, request), strict=True)]
    facts = list(result.facts)
    if not set(PHASES) - here:
        facts += [_submit(finished, manifest, request.out) for finished in done.values() if _is_final(finished)]
    missing = [*result.missing, *missing_phases(here, PHASES), SERVER]
    return result.model_copy(update={"rows": rows, "facts": facts, "missing": missing})


SERVER = (
    "The score on Phase-III: its labels are not public. Only the challenge's server gives it: send submission.zip "
    "to it (CodaLab competition 20395, which may have closed since)."
)


def write_submission(table: pd.DataFrame, blast_class: str, folder: Path) -> Path:
    """Write predictions, in the order of their rows, as the challenge takes them: 1 malignant, 0 normal, a line a cell.

    The plain file and `submission.zip`, which holds it, lie in `folder`. A cell that could not be read counts as 0.
    """
    lines = [str(int(called == blast_class)) for called in table["predicted"]]
    write_text(folder / SUBMISSION, "\n".join(lines) + "\n")
    with written_beside(folder / "submission.zip") as beside, zipfile.ZipFile(beside, "w") as archive:
        archive.write(folder / SUBMISSION, SUBMISSION)
    return folder / "submission.zip"


def _cells(result: Result, request: Request) -> list[str]:
    from lymphoscope.experiments.definition import load_definition

    by_title = {run.title: run.cells for run in load_definition(request.name).runs.values()}
    return [by_title[row.name] for row in result.rows]


def _honest(row: Row, cells: str, here: set[str]) -> Row:
    """A run whose phases are not here is a holdout of the cells that are: another question, and named so."""
    if set(_NEEDS.get(cells, ())) <= here:
        return row
    verdict = "phases are missing: an inner holdout of subjects instead, which is not the paper's target"
    return row.model_copy(update={"name": f"{row.name} (inner holdout)", "verdict": verdict})


def missing_phases(here: set[str], wanted: Iterable[str]) -> list[str]:
    """A sentence for each phase that is wanted and whose pictures are not here, with how to bring it."""
    return [
        f"The pictures of {phase} ({PHASES[phase]}): download C-NMC 2019 (doi 10.7937/tcia.2019.dc64i46r), "
        "and give its folder."
        for phase in wanted
        if phase not in here
    ]


def _is_final(finished: Finished) -> bool:
    return finished.run.definition.cells == "final"


def _submit(finished: Finished, manifest: Manifest, out: Path) -> str:
    from lymphoscope.evaluation import read_predictions
    from lymphoscope.inference import load, predict_manifest

    folder = finished.run.folder.path
    model = load(finished.run.folder.model)
    predicted = folder / "phase_3.parquet"
    if not predicted.is_file():
        predict_manifest(model, unlabelled_phase(manifest), predicted)
    table = read_predictions(predicted)
    blast = model.description.blast_class or "all"
    path = write_submission(table, blast, folder)
    share = (table["predicted"] == blast).mean()
    where = path.relative_to(out).as_posix()
    cells = f"{len(table):,} cells of Phase-III in {where}"
    return f"{finished.run.definition.title}: {cells}, {100 * share:.1f} % called malignant."
