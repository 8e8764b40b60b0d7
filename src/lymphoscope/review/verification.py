"""`lymphoscope review verify`: the audit chain, and the state of the database against it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.database import Database
from lymphoscope.review.importing import cells_hash
from lymphoscope.review.replay import replay_faults
from lymphoscope.review.tables import Case, Event, Reading, Signature
from lymphoscope.review.workflow.signing import signed_content

MOST_FAULTS = 100


@dataclass(frozen=True)
class Verification:
    """What was found: number of events, the head of the chain, and a line per fault (at most MOST_FAULTS)."""

    events: int
    head: str
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def to_text(self) -> str:
        """Return the result for the terminal."""
        lines = [f"{self.events} events, head {self.head}", *self.faults]
        return "\n".join([*lines, "the chain and the state fit together" if self.ok else "FAULTS were found"])

    def to_json(self) -> str:
        """Return the result as JSON."""
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=2, ensure_ascii=False)


def verify(database: Database, *, expected_head: str | None = None) -> Verification:
    """Check the chain, and the answers, cells and signatures against its events."""
    with database.read() as session:
        faults = _all_faults(session, expected_head)
        found = [line for _, line in zip(range(MOST_FAULTS), faults, strict=False)]
        last = audit.head(session)
        return Verification(last.sequence, last.hash, tuple(found))


def _all_faults(session: Session, expected_head: str | None) -> Iterator[str]:
    damaged = False
    for line in audit.chain_faults(session):
        damaged = True
        yield line
    if expected_head is not None and (fault := audit.head_fault(session, expected_head)):
        yield fault
    if damaged:
        yield "the state was not compared with the events, because the chain is damaged"
        return
    yield from _import_faults(session)
    yield from replay_faults(session)
    yield from _signature_faults(session)


def _import_faults(session: Session) -> Iterator[str]:
    stated = {}
    for event in session.scalars(select(Event).where(Event.kind == "imported")):
        stated[event.case_id] = audit.content_of(event)["data"]["cells_hash"]
    for case in session.scalars(select(Case)):
        if stated.get(case.id) != case.cells_hash or cells_hash(session, case.id) != case.cells_hash:
            yield f"case {case.id}: its cells are not those that were imported"


def _signature_faults(session: Session) -> Iterator[str]:
    """Compare every signature with its event and with the content that is there now."""
    events = {event.sequence: event for event in session.scalars(select(Event).where(Event.kind == "signed"))}
    for signature in session.scalars(select(Signature)):
        where = f"signature {signature.id} of case {signature.case_id}"
        event = events.pop(signature.event, None)
        stated = audit.content_of(event)["data"] if event else {}
        if stated.get("content_hash") != signature.content_hash or (event and event.by != signature.by):
            yield f"{where}: it is not what its event says"
        reading, case = session.get_one(Reading, signature.reading_id), session.get_one(Case, signature.case_id)
        if audit.digest(audit.canonical(signed_content(session, case, reading))) != signature.content_hash:
            yield f"{where}: the signed content was changed"
    for sequence in events:
        yield f"event {sequence}: its signature is missing"
