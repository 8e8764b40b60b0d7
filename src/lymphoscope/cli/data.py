"""`lymphoscope data`: what is there and what is wrong with it, splits, and synthetic smears."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lymphoscope.cli.words import Json, Seed, Source, SubjectPattern
from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from lymphoscope.data import Manifest


app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """See what cells there are and what is wrong with them, split them, or make synthetic ones."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitStatus.USAGE)


@app.command("audit", short_help="What is there, and what is wrong with it.")
def audit(
    source: Source,
    expected_size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Pixels that every picture must have, such as 450x450.", show_default=False),
    ] = None,
    subject_pattern: SubjectPattern = None,
    as_json: Json = False,
) -> None:
    """Look for unreadable files, wrong sizes, duplicates, leaks between subjects and parts of a split.

    Ends with status 3 where there is an error or a warning.
    """
    from lymphoscope.data import audit as audit_manifest, read_source

    size = None if expected_size is None else _size(expected_size)
    report = audit_manifest(read_source(source, subject_pattern=subject_pattern), expected_size=size)
    typer.echo(report.to_json() if as_json else report.to_text())
    if report.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


@app.command("split", short_help="Train, validation and test, or folds, by subject.")
def split(
    source: Source,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The table to write: .csv or .parquet.", show_default=False)
    ],
    by: Annotated[
        Literal["subject", "random"],
        typer.Option(help="Deal whole subjects; cells at random only to show the difference."),
    ] = "subject",
    test: Annotated[float, typer.Option(help="Share of the cells for the test.")] = 0.2,
    validation: Annotated[float, typer.Option(help="Share of the rest for validation; 0 for none.")] = 0.15,
    folds: Annotated[
        int | None,
        typer.Option(help="So many folds in place of one test; the column `fold` says where a cell is test."),
    ] = None,
    seed: Seed = 0,
    subject_pattern: SubjectPattern = None,
    as_json: Json = False,
) -> None:
    """Write a table of the cells with the part of each; subjects who share a cell stay together.

    With --folds, `split` is that of the first fold.
    """
    from lymphoscope.data import data_summary, read_source, split_folds, split_holdout, write_manifest

    manifest = read_source(source, subject_pattern=subject_pattern)
    if folds is None:
        dealt = split_holdout(manifest, test=test, validation=validation, by=by, seed=seed)
    else:
        dealt = split_folds(manifest, folds, validation=validation, by=by, seed=seed)[0]
    write_manifest(dealt, out)
    if as_json:
        _echo_json(data_summary(dealt))
    else:
        typer.echo(_as_text(dealt))
        typer.echo(f"table: {out}")


@app.command("synthesize", short_help="Make synthetic smears, for tests and demonstrations.")
def synthesize(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.", show_default=False)],
    subjects: Annotated[int, typer.Option(min=2, help="Synthetic subjects, half of each class.")] = 24,
    cells_per_subject: Annotated[int, typer.Option(min=1, help="Cells of each.")] = 12,
    fields: Annotated[int, typer.Option(min=0, help="Whole fields with boxes.")] = 4,
    faults: Annotated[bool, typer.Option(help="Plant duplicates, truncated files and wrong labels.")] = True,
    size: Annotated[int, typer.Option(help="Pixels of the side of a cell's picture.")] = 450,
    seed: Seed = 0,
) -> None:
    """Make synthetic cells and fields with known masks, and planted faults. They show no patient's blood."""
    from lymphoscope.synthetic import synthesize as synthesize_smears

    manifest = synthesize_smears(
        folder,
        subjects=subjects,
        cells_per_subject=cells_per_subject,
        fields=fields,
        faults=faults,
        seed=seed,
        size=size,
    )
    typer.echo(f"{len(manifest)} synthetic cells of {manifest.table['subject'].nunique()} synthetic subjects: {folder}")


def _size(words: str) -> tuple[int, int]:
    width, _, height = words.lower().partition("x")
    if not (width.isdecimal() and (height or width).isdecimal()):
        raise LymphoscopeError(f"--expected-size {words}: give pixels across and down, such as 450x450")
    return int(width), int(height or width)


def _as_text(manifest: "Manifest") -> str:
    from lymphoscope.data import data_summary, part_counts

    summary = data_summary(manifest)
    called = "synthetic cells" if summary["synthetic"] else "cells"
    head = f"{summary['cells']} {called} ({summary['source']}), {summary['split']['kind']} by {summary['split']['by']}"
    notices = [f"notice: {notice}" for notice in summary["notices"]]
    return "\n".join([head, part_counts(manifest).to_string(index=False), *notices])


def _echo_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
