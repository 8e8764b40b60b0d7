"""Leases: who works on a reading keeps others from changing it, for two minutes at a time."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from lymphoscope.review.clock import later, seconds_until
from lymphoscope.review.people import Person
from lymphoscope.review.tables import Reading, User
from lymphoscope.review.workflow.changes import open_reading

LEASE_SECONDS: Final = 120


@dataclass(frozen=True)
class Lease:
    """Who holds a reading, and until when."""

    by: str
    until: str


def take_lease(session: Session, person: Person, reading_id: int) -> Lease:
    """Take or renew the lease of a reading. Raises RefusalError as `open_reading`, 423 if somebody else holds it."""
    reading, _ = open_reading(session, person, reading_id)
    reading.lease_user_id, reading.lease_until = person.id, later(LEASE_SECONDS)
    return Lease(person.name, reading.lease_until)


def drop_lease(session: Session, person: Person, reading_id: int) -> None:
    """Give the lease of a reading back; nothing happens if the person does not hold it."""
    reading = session.get(Reading, reading_id)
    if reading is not None and reading.lease_user_id == person.id:
        reading.lease_user_id = reading.lease_until = None


def lease_of(session: Session, reading: Reading) -> Lease | None:
    """Return the lease of a reading that has not expired."""
    if reading.lease_user_id is None or reading.lease_until is None or seconds_until(reading.lease_until) <= 0:
        return None
    return Lease(session.get_one(User, reading.lease_user_id).name, reading.lease_until)
