"""A model and held-out cells -> predictions, numbers, report."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lymphoscope.data import Manifest, data_summary, split_by
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import REPLICATES, Metrics, evaluate_predictions, read_predictions
from lymphoscope.files import write_json
from lymphoscope.inference import Model, predict_manifest
from lymphoscope.model_file import Description
from lymphoscope.reports import Mistake, ReportContents, mistake_of, write_report
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.provenance import provenance

MISTAKES = 12


def evaluate_run(
    model: Model,
    manifest: Manifest,
    folder: RunFolder,
    title: str,
    *,
    part: str | None = None,
    replicates: int = REPLICATES,
) -> Metrics:
    """Predict the labelled cells of `part` (all without one), judge them and write predictions, metrics and report.

    The report shows the whole manifest and its split. Raises LymphoscopeError where there is no labelled cell and for
    labels that the model does not know.
    """
    judged = _labelled(manifest, part)
    _check_labels(judged, model.description)
    predict_manifest(model, judged, folder.predictions)
    table = read_predictions(folder.predictions)
    metrics = evaluate_predictions(table, blast_class=model.description.blast_class, replicates=replicates)
    write_metrics(folder.metrics, metrics)
    noted = manifest.with_table(manifest.table, *leakage_notices(model.description, judged))
    mistakes = list(mistakes_of(model, table))
    curves = pd.read_csv(folder.curves) if folder.curves.is_file() else None
    write_run_report(folder, title, metrics, table, noted, model.description, mistakes, curves)
    return metrics


def write_run_report(
    folder: RunFolder,
    title: str,
    metrics: Metrics,
    table: pd.DataFrame,
    manifest: Manifest,
    description: Description,
    mistakes: list[Mistake],
    curves: pd.DataFrame | None,
) -> None:
    """Write the report of a run; `curves` are its training's, None where it only judges."""
    made = provenance()
    contents = ReportContents(
        title=title,
        metrics=metrics.model_dump(mode="json"),
        predictions=table,
        description=description,
        curves=curves,
        parameters=description.parameters,
        data=data_summary(manifest),
        mistakes=mistakes,
        command=made.command,
        commit=made.commit,
        device=made.device,
        date=made.date,
    )
    write_report(folder.report, contents)


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write metrics.json, whole or not at all."""
    write_json(path, metrics.model_dump(mode="json"))


def read_metrics(path: Path) -> Metrics:
    """Read metrics.json as it was written."""
    return Metrics.model_validate_json(path.read_text(encoding="utf-8"))


def mistakes_of(model: Model, table: pd.DataFrame, most: int = MISTAKES) -> Iterator[Mistake]:
    """The most certain mistakes first: wrong labels with the highest score, and what the streams saw of them."""
    wrong = table[table["label"].notna() & table["predicted"].notna() & (table["label"] != table["predicted"])]
    scores = wrong.apply(lambda row: row[f"score_{row['predicted']}"], axis=1) if len(wrong) else pd.Series(dtype=float)
    rows = wrong.loc[scores.sort_values(ascending=False, kind="stable").index[:most]]
    if rows.empty or model.description.architecture.head != "attention":
        return
    for (_, row), seen in zip(rows.iterrows(), model.explain(rows["path"].tolist()), strict=True):
        yield mistake_of(row, seen)


def part_to_judge(manifest: Manifest, wanted: str | None) -> str | None:
    """The part of a split to judge: what was asked for, else `test` where the data have one; None for all cells.

    Raises LymphoscopeError where a part is asked for and the data are not split.
    """
    split = split_by(manifest.table) != "none"
    if wanted in (None, "all"):
        return "test" if split and wanted is None else None
    if not split:
        raise LymphoscopeError(f"--part {wanted}: the data are not split; `lymphoscope data split` makes one")
    return wanted


def leakage_notices(description: Description, judged: Manifest) -> list[str]:
    """Say which judged subjects the model was trained on: their scores are no measure of new ones."""
    seen = description.trained_on.get("subjects", {})
    known = {*seen.get("train", ()), *seen.get("validation", ())}
    both = sorted(known & set(judged.table["subject"].dropna()))
    if not both:
        return []
    named = ", ".join(both[:10]) + (" and more" if len(both) > 10 else "")
    return [f"LEAKAGE: the model was trained on {len(both)} of these subjects ({named}): the scores are too high"]


def _labelled(manifest: Manifest, part: str | None) -> Manifest:
    table = manifest.table[manifest.table["label"].notna()]
    if part is not None:
        table = table[table["split"] == part]
    if table.empty:
        raise LymphoscopeError(
            f"no labelled {part or ''} cells to evaluate: predict works without labels".replace("  ", " ")
        )
    return manifest.with_table(table.reset_index(drop=True))


def _check_labels(manifest: Manifest, description: Description) -> None:
    unknown = sorted(set(manifest.classes) - set(description.classes))
    if unknown:
        known = ", ".join(description.classes)
        raise LymphoscopeError(f"class {unknown[0]!r} of the data is not one of the model's: {known}")
