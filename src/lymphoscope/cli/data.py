"""`lymphoscope data`: audit and split cells, and generate synthetic ones."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lymphoscope.cli.data_segment import segment_command
from lymphoscope.cli.options import AsJson, Seed, SubjectPattern
from lymphoscope.cli.source_option import Source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from lymphoscope.data import Manifest


app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def data_command(context: typer.Context) -> None:
    """Audit cells, split them by subject, or generate synthetic ones."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitStatus.USAGE)


@app.command("audit", short_help="Check cells for errors, duplicates and leaks.")
def audit_command(
    source: Source,
    expected_size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH", help="Size that every image must have, in pixels, for example 450x450.", show_default=False
        ),
    ] = None,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Find unreadable files, images of another size, repeated images, and cells that two subjects or two parts share.

    The exit status is 3 if there is an error or a warning.
    """
    from lymphoscope.api import audit

    size = None if expected_size is None else _parse_size(expected_size)
    report = audit(source, expected_size=size, subject_pattern=subject_pattern)
    typer.echo(report.to_json() if as_json else report.to_text())
    if report.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


@app.command("split", short_help="Split into train, validation and test, or folds.")
def split_command(
    source: Source,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Output table, .csv or .parquet.", show_default=False)],
    by: Annotated[
        Literal["subject", "random"],
        typer.Option(help="Keep subjects together, or assign cells at random, which leaks and is for comparison only."),
    ] = "subject",
    test: Annotated[float, typer.Option(help="Share of the cells for testing.")] = 0.2,
    validation: Annotated[float, typer.Option(help="Share of the remaining cells for validation; 0 for none.")] = 0.15,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Number of folds, instead of one test part; the column `fold` is the fold in which a cell is tested."
        ),
    ] = None,
    seed: Seed = 0,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Write a table of the cells with a column `split`. Subjects who share a cell stay together.

    With --folds there is also a column `fold`, and `split` is the split of the first fold.
    """
    from lymphoscope.api import split
    from lymphoscope.data import check_table_suffix, data_summary, write_manifest

    check_table_suffix(out)
    cells = split(
        source, by=by, test=test, validation=validation, folds=folds, seed=seed, subject_pattern=subject_pattern
    )
    write_manifest(cells, out)
    if as_json:
        typer.echo(json.dumps(data_summary(cells).model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        typer.echo(_as_text(cells))
        typer.echo(f"table: {out}")


@app.command("synthesize", short_help="Generate synthetic cells and fields.")
def synthesize_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder, new or empty.", show_default=False)],
    subjects: Annotated[int, typer.Option(min=2, help="Number of synthetic subjects, half of each class.")] = 24,
    cells_per_subject: Annotated[int, typer.Option(min=1, help="Number of cells per subject.")] = 12,
    fields: Annotated[int, typer.Option(min=0, help="Number of whole fields, with boxes around the cells.")] = 4,
    faults: Annotated[bool, typer.Option(help="Add planted faults: duplicates, truncated files, wrong labels.")] = True,
    smear: Annotated[
        int, typer.Option(min=0, help="Number of fields of a smear in DIR/smear, with the exact truth in truth.csv.")
    ] = 0,
    size: Annotated[int, typer.Option(help="Side of a cell image in pixels.")] = 450,
    seed: Seed = 0,
) -> None:
    """Generate synthetic cells and fields with known masks and planted faults. They are drawings, not blood."""
    from lymphoscope.synthetic import SmearSettings, synthesize, synthesize_smear

    manifest = synthesize(
        folder,
        subjects=subjects,
        cells_per_subject=cells_per_subject,
        fields=fields,
        faults=faults,
        seed=seed,
        size=size,
    )
    of_subjects = counted(manifest.table["subject"].nunique(), "synthetic subject")
    typer.echo(f"{counted(len(manifest), 'synthetic cell')} of {of_subjects}: {folder}")
    if smear:
        white_cells = synthesize_smear(folder / "smear", SmearSettings(fields=smear, seed=seed))
        white = counted(len(white_cells), "white cell")
        typer.echo(f"{counted(smear, 'field')} of a synthetic smear with {white}: {folder / 'smear'}")


app.command("segment", short_help="Cut cells out of their surroundings, onto black.")(segment_command)


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and (height or width).isdecimal()):
        raise LymphoscopeError(f"--expected-size {text}: give width x height in pixels, for example 450x450")
    return int(width), int(height or width)


def _as_text(manifest: "Manifest") -> str:
    from lymphoscope.data import data_summary, part_counts

    summary = data_summary(manifest)
    noun = "synthetic cells" if summary.synthetic else "cells"
    head = f"{summary.cells} {noun} ({summary.source}), {summary.split.kind} by {summary.split.by}"
    notices = [f"notice: {notice}" for notice in summary.notices]
    return "\n".join([head, part_counts(manifest).to_string(index=False), *notices])
