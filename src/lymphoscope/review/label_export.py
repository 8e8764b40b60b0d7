"""Labels of people as a manifest that `train` and `evaluate` take, and the cells to label next."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.data import write_manifest
from lymphoscope.data.manifest import manifest_of
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import sha256_of
from lymphoscope.review import audit
from lymphoscope.review.cell_crops import CropFolder
from lymphoscope.review.database import Database
from lymphoscope.review.listing import user_names
from lymphoscope.review.tables import Answer, Case, Cell, Reading, Source
from lymphoscope.review.workflow.changes import NOT_A_CELL
from lymphoscope.smear.differential import NOT_CLASSED, UNIDENTIFIED
from lymphoscope.terminal import counted

Part = Literal["all", "blind", "shown"]


@dataclass(frozen=True)
class LabelExport:
    """What was written: labels, how many of them blind, and the confirmed cells that were left out, by reason."""

    path: Path
    labels: int
    blind: int
    left_out: dict[str, int]

    def in_words(self) -> str:
        """Return the result for the terminal."""
        given = f"{counted(self.labels, 'label')}, {self.blind:,} given without the suggestion: {self.path}"
        return "\n".join(
            [given, *(f"left out: {counted(count, 'cell')}, {why}" for why, count in self.left_out.items())]
        )


def export_labels(database: Database, out: Path, *, part: Part = "all", unsigned: bool = False) -> LabelExport:
    """Write the confirmed labels of signed cases (with `unsigned` of all) as a manifest, with who and when.

    `part` keeps the labels that were given without the model's suggestion, or the others. Cells without an image file
    of their own, such as those that a person added, are cut out of their fields into a folder beside the manifest.
    Raises LymphoscopeError if there are no labels.
    """
    left_out: Counter[str] = Counter()
    crops = CropFolder(out.resolve().parent / f"{out.stem}-crops")
    with database.read() as session:
        rows = list(_rows(session, part, unsigned, crops, left_out))
    if not rows:
        hint = "" if unsigned else "; --unsigned takes those of unsigned cases as well"
        reasons = "".join(f"; {count:,} {why}" for why, count in left_out.items())
        raise LymphoscopeError(f"no confirmed labels to export{reasons}{hint}")
    write_manifest(manifest_of(rows, "table"), out)
    blind = sum(row["blind"] for row in rows)
    data = {"labels": len(rows), "blind": blind, "part": part, "unsigned": unsigned, "sha256": sha256_of(out)}
    with database.write() as session:
        audit.append(session, "labels_exported", by=None, data=data)
    return LabelExport(out, len(rows), blind, dict(left_out))


def cells_to_label(database: Database, count: int) -> list[dict[str, Any]]:
    """Return the first cells to label of the open cases, in the order of `learning`, without their suggestions."""
    query = (
        select(Cell, Case, Source)
        .join(Case, Case.id == Cell.case_id)
        .join(Source, Source.id == Case.source_id)
        .join(Answer, (Answer.cell_id == Cell.id) & (Answer.reading_id == Case.primary_id))
        .join(Reading, Reading.id == Case.primary_id)
        .where(Answer.status.in_(("suggested", "unanswered")), Reading.state == "open", Cell.learning_rank.is_not(None))
        .order_by(Cell.learning_rank, Case.id)
        .limit(count)
    )
    with database.read() as session:
        return [
            {
                "case": case.id,
                "cell": cell.id,
                "cell_id": cell.cell_id,
                "rank": cell.learning_rank,
                "path": _image_path(source, cell),
                "page": f"/cases/{case.id}/cells/{cell.id}",
            }
            for cell, case, source in session.execute(query)
        ]


def _rows(
    session: Session, part: Part, unsigned: bool, crops: CropFolder, left_out: Counter[str]
) -> Iterator[dict[str, Any]]:
    """The present revision of every case; a label counts as blind if the first revision, which hid it, has the same."""
    names = user_names(session)
    for case in session.scalars(select(Case).order_by(Case.id)):
        reading = session.get_one(Reading, case.primary_id)
        if reading.state != "signed" and not unsigned:
            left_out["of cases that are not signed"] += _confirmed_count(session, reading)
            continue
        source, first = session.get_one(Source, case.source_id), _first_labels(session, case)
        query = select(Cell, Answer).join(Answer, Answer.cell_id == Cell.id)
        query = query.where(Answer.reading_id == reading.id, Answer.status == "confirmed").order_by(Cell.position)
        for cell, answer in session.execute(query):
            blind = cell.blind and first.get(cell.id) == answer.label
            if part != "all" and blind != (part == "blind"):
                continue
            why = _why_not(answer)
            path = None if why else _image_path(source, cell)
            try:
                path = path if path or why else str(crops.write(session, source, cell))
            except LymphoscopeError as error:
                why = str(error)
            if why:
                left_out[why] += 1
                continue
            yield {
                "path": path,
                "label": answer.label,
                "subject": case.subject,
                "slide": cell.slide,
                "cell_id": cell.cell_id,
                "labelled_by": names.get(answer.user_id or 0),
                "labelled_at": answer.at,
                "blind": blind,
                "suggested": cell.suggested,
                "signed": reading.state == "signed",
            }


def _why_not(answer: Answer) -> str | None:
    reasons = {UNIDENTIFIED: "unidentified", NOT_CLASSED: "not classed", NOT_A_CELL: "not cells"}
    return reasons.get(answer.label or "")


def _first_labels(session: Session, case: Case) -> dict[int, str | None]:
    query = (
        select(Answer.cell_id, Answer.label)
        .join(Reading, Reading.id == Answer.reading_id)
        .where(Reading.case_id == case.id, Reading.role == "primary", Reading.revision == 1)
    )
    return {row.cell_id: row.label for row in session.execute(query)}


def _confirmed_count(session: Session, reading: Reading) -> int:
    query = select(Answer.cell_id).where(Answer.reading_id == reading.id, Answer.status == "confirmed")
    return len(session.scalars(query).all())


def _image_path(source: Source, cell: Cell) -> str | None:
    if cell.path is None:
        return None
    return cell.path if "://" in cell.path else str(Path(source.folder) / cell.path)
