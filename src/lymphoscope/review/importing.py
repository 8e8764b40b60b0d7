"""Import results into the database: one case per subject, once per content of the results."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from lymphoscope.data.identity import clean_name
from lymphoscope.errors import LymphoscopeError
from lymphoscope.review import audit
from lymphoscope.review.clock import now
from lymphoscope.review.database import Database
from lymphoscope.review.learning import learning_order
from lymphoscope.review.results import Results, case_keys, cell_values, find_results, names, number, read_results, whole
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.review.tables import Answer, Case, Cell, Field, Reading, Source
from lymphoscope.terminal import counted

_MOST_CELLS: Final = 200_000


@dataclass(frozen=True)
class Imported:
    """The cases of a results folder, and how many of them are new."""

    cases: tuple[int, ...]
    new: int
    cells: int

    def in_words(self) -> str:
        """Return one line for the terminal."""
        return f"{counted(len(self.cases), 'case')} with {counted(self.cells, 'cell')}, {self.new} new"


def import_results(database: Database, path: Path, settings: ReviewSettings, *, by: str | None) -> Imported:
    """Import the results at a path; what was imported before, as its hash tells, is left as it is.

    Raises LymphoscopeError if there are no results, or if a table is not one.
    """
    if not path.exists():
        raise LymphoscopeError(f"{path}: no such file or folder")
    cases: list[int] = []
    new = cells = 0
    for table_path in find_results(path):
        results = read_results(table_path)
        with database.write() as session:
            source = session.scalar(select(Source).where(Source.hash == results.hash))
            if source is None:
                source = _add_source(session, results, settings, by)
                new += len(session.scalars(select(Case.id).where(Case.source_id == source.id)).all())
            elif source.folder != str(results.folder):
                audit.append(session, "source_moved", by=by, data={"source": source.id, "hash": source.hash})
                source.folder = str(results.folder)
            cases += session.scalars(select(Case.id).where(Case.source_id == source.id).order_by(Case.id)).all()
            cells += len(results.table)
    return Imported(tuple(cases), new, cells)


def cells_hash(session: Session, case_id: int) -> str:
    """Return the hash of what was imported of a case's cells: ids, suggestions, referrals, blind cells."""
    columns = (Cell.cell_id, Cell.suggested, Cell.referred, Cell.blind, Cell.suggested_score)
    rows = session.execute(select(*columns).where(Cell.case_id == case_id, ~Cell.added).order_by(Cell.position))
    return audit.digest(audit.canonical([list(row) for row in rows]))


def _add_source(session: Session, results: Results, settings: ReviewSettings, by: str | None) -> Source:
    if len(results.table) > _MOST_CELLS:
        raise LymphoscopeError(f"{results.folder}: {len(results.table)} cells, at most {_MOST_CELLS} fit in one review")
    source = Source(
        folder=str(results.folder),
        table_name=results.table_name,
        kind=results.kind,
        hash=results.hash,
        imported=now(),
        model=results.model,
    )
    session.add(source)
    session.flush()
    for key, rows in case_keys(results.table):
        _add_case(session, source, key, rows, results, settings, by)
    return source


def _add_case(
    session: Session,
    source: Source,
    key: str,
    rows: pd.DataFrame,
    results: Results,
    settings: ReviewSettings,
    by: str | None,
) -> None:
    case = Case(
        source_id=source.id,
        key=key,
        subject=clean_name(rows["subject"].iloc[0]) if "subject" in rows else None,
        title=key if key != "all cells" else results.folder.name,
        state="imported",
        revision=1,
        target=settings.target,
        cells_hash="",
        created=now(),
    )
    session.add(case)
    session.flush()
    fields = _add_fields(session, case, rows, results)
    cells = [cell_values(row, results.classes) for row in _records(rows)]
    blind = _blind_cells(cells, settings, seed=f"{source.hash} {key}")
    features = None if results.features is None else results.features[rows.index.to_numpy()]
    ranks = learning_order([cell["scores"] for cell in cells], features, seed=f"{source.hash} {key} order")
    for position, (cell, name, row) in enumerate(zip(cells, _field_names(rows), rows.index, strict=True)):
        cell |= {
            "case_id": case.id,
            "field_id": fields.get(name),
            "position": position,
            "table_row": int(row),
            "blind": position in blind,
            "learning_rank": ranks[position],
            "added": False,
        }
    session.execute(insert(Cell), cells)
    case.cells_hash = cells_hash(session, case.id)
    reading = Reading(case_id=case.id, role="primary", revision=1, state="open", version=1, created=now())
    session.add(reading)
    session.flush()
    case.primary_id = reading.id
    start_answers(session, reading)
    audit.append(
        session,
        "imported",
        by=by,
        case=case.id,
        data={"source_hash": source.hash, "cells": len(cells), "cells_hash": case.cells_hash, "blind": len(blind)},
    )


def start_answers(session: Session, reading: Reading) -> None:
    """Give a new reading an answer for every imported cell: the model's suggestion, or none for blind cells."""
    cells = session.execute(
        select(Cell.id, Cell.suggested, Cell.blind).where(Cell.case_id == reading.case_id, ~Cell.added)
    )
    rows = [
        {
            "reading_id": reading.id,
            "cell_id": cell.id,
            "label": None if cell.blind else cell.suggested,
            "status": "unanswered" if cell.blind or cell.suggested is None else "suggested",
            "seen": False,
            "version": reading.version,
        }
        for cell in cells
    ]
    session.execute(insert(Answer), rows)


def _add_fields(session: Session, case: Case, rows: pd.DataFrame, results: Results) -> dict[str, int]:
    fields: dict[str, int] = {}
    for name in dict.fromkeys(_field_names(rows)):
        if name:
            added = Field(case_id=case.id, name=name, **_field_values(results.fields.get(name, {})))
            session.add(added)
            session.flush()
            fields[name] = added.id
    return fields


def _field_values(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "slide": clean_name(entry.get("slide")),
        "path": clean_name(entry.get("path")),
        "width": whole(entry.get("width")) or None,  # 0 where the field could not be read
        "height": whole(entry.get("height")) or None,
        "microns_per_pixel": number(entry.get("microns_per_pixel")),
        "quality": names(entry.get("quality") or entry.get("quality_flags") or entry.get("flags")),
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _field_names(rows: pd.DataFrame) -> list[str]:
    return [clean_name(value) or "" for value in rows["field"]] if "field" in rows else [""] * len(rows)


def _blind_cells(cells: list[dict[str, Any]], settings: ReviewSettings, *, seed: str) -> set[int]:
    """Choose the cells that are shown without the suggestion: a random share of those that have one."""
    candidates = [position for position, cell in enumerate(cells) if cell["suggested"] is not None]
    count = min(settings.most_blind, round(settings.blind_share * len(candidates)))
    return set(random.Random(seed).sample(candidates, count))  # noqa: S311 - a sample, not a secret
