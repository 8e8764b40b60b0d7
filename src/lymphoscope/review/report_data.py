"""What every report and export of a case states: the count, who signed it, and the head of the audit chain."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.audit import Head
from lymphoscope.review.clock import now
from lymphoscope.review.counting import LiveDifferential, live_differential
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import not_found
from lymphoscope.review.tables import Answer, Case, Cell, Field, Reading, Signature, Source
from lymphoscope.review.workflow.changes import refuse_to_show
from lymphoscope.review.workflow.signing import amendment_of


@dataclass(frozen=True)
class ReportData:
    """A case as it is reported, in one reading."""

    case: Case
    reading: Reading
    source: Source
    differential: LiveDifferential
    signature: Signature | None
    """The signature of this reading; None while it is open."""
    signatures: tuple[Signature, ...]
    """Those of all revisions, the oldest first."""
    cells: tuple[tuple[Cell, Answer], ...]
    """All cells of the reading and their answers; empty where the report was read without them."""
    fields: dict[int, Field]
    head: Head
    """The head of the audit chain when the report was made."""
    made: str
    amendment_reason: str | None = None
    """Why the reading was opened as an amendment; None if it is no amendment."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a recipient must know of the count beside its numbers, as sentences without a stop."""
        overridden = self.signature.override_reason if self.signature else None
        return (
            *([f"Signed although not everything was done: {overridden}"] if overridden else []),
            *([f"Reason of the amendment: {self.amendment_reason}"] if self.amendment_reason else []),
        )

    @property
    def status(self) -> str:
        """`preliminary` before signing, then `final`, or `amended` from the second revision on."""
        if self.signature is None:
            return "preliminary"
        return "final" if self.reading.revision == 1 else "amended"


def report_of(
    session: Session, person: Person, case_id: int, reading_id: int | None = None, *, with_cells: bool = True
) -> ReportData:
    """Return what is reported of a case, in a reading of it (default: that of the present revision).

    The single cells are read only `with_cells`: there may be many thousands, which few formats list.
    Raises RefusalError: no such case or reading, or one that is hidden from a blind reader.
    """
    case = session.get(Case, case_id)
    if case is None:
        raise not_found("case", case_id)
    reading = session.get(Reading, reading_id or case.primary_id)
    if reading is None or reading.case_id != case_id:
        raise not_found("reading of this case", reading_id)
    refuse_to_show(session, person, reading)
    signatures = tuple(session.scalars(select(Signature).where(Signature.case_id == case_id).order_by(Signature.id)))
    return ReportData(
        case=case,
        reading=reading,
        source=session.get_one(Source, case.source_id),
        differential=live_differential(session, case, reading),
        signature=next((one for one in signatures if one.reading_id == reading.id), None),
        signatures=signatures,
        cells=_cells_of(session, reading) if with_cells else (),
        fields={field.id: field for field in session.scalars(select(Field).where(Field.case_id == case_id))},
        head=audit.head(session),
        made=now(),
        amendment_reason=(amendment_of(session, reading) or {}).get("reason"),
    )


def _cells_of(session: Session, reading: Reading) -> tuple[tuple[Cell, Answer], ...]:
    query = select(Cell, Answer).join(Answer, Answer.cell_id == Cell.id)
    query = query.where(Answer.reading_id == reading.id, Answer.status != "absent").order_by(Cell.position, Cell.id)
    return tuple((cell, answer) for cell, answer in session.execute(query))


def record_export(session: Session, person: Person, report: ReportData, kind: str, **data: Any) -> None:
    """Append the event of an export, in the write transaction in which the report was read."""
    audit.append(
        session,
        "exported",
        by=person.name,
        case=report.case.id,
        reading=report.reading.id,
        data={"format": kind, "status": report.status, "head": report.head.hash, **data},
    )
