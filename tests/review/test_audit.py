"""The audit chain: what is changed in it shows, it cannot fork, and the state is what its events lead to."""

import json
import threading
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.database import Database
from lymphoscope.review.tables import Answer, Event, Signature
from lymphoscope.review.verification import verify


def fill(database: Database, count: int = 5) -> None:
    with database.write() as session:
        for index in range(count):
            audit.append(session, "login", by="rita", data={"address": f"10.0.0.{index}", "é": "ß"})


def without_triggers(database: Database, change: Any) -> None:
    """Change the events as somebody with the file or the server in her hands could."""
    with database.write() as session:
        for table in ("events", "signatures"):
            for verb in ("update", "delete"):
                on = "" if database.is_sqlite else f" ON {table}"
                session.execute(text(f"DROP TRIGGER {table}_no_{verb}{on}"))
        change(session)


def test_the_hash_of_an_event_is_that_of_its_canonical_text(empty_database: Database) -> None:
    fill(empty_database, 2)
    with empty_database.read() as session:
        first, second = session.scalars(select(Event).order_by(Event.sequence)).all()
    assert json.loads(second.body)["previous"] == first.hash == second.previous_hash
    assert first.previous_hash == "0" * 64
    assert audit.digest(first.body) == first.hash
    assert first.body == audit.canonical(json.loads(first.body))
    assert verify(empty_database).ok


def test_the_database_refuses_to_change_or_delete_an_event(empty_database: Database) -> None:
    fill(empty_database)
    for statement in (update(Event).values(kind="nothing"), delete(Event).where(Event.sequence == 5)):
        with pytest.raises(DatabaseError, match="append-only"), empty_database.write() as session:
            session.execute(statement)
    assert verify(empty_database).events == 5


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (update(Event).where(Event.sequence == 2).values(by="ravi"), "column by does not fit"),
        (delete(Event).where(Event.sequence == 3), "event 3 is missing"),
        (update(Event).where(Event.sequence == 2).values(body="{}"), "its hash does not fit"),
    ],
)
def test_a_changed_or_removed_event_shows(empty_database: Database, change: Any, fault: str) -> None:
    fill(empty_database)
    without_triggers(empty_database, lambda session: session.execute(change))
    faults = verify(empty_database).faults
    assert any(fault in line for line in faults), faults


def test_an_event_with_its_hash_made_anew_shows_in_the_next_one(empty_database: Database) -> None:
    fill(empty_database)

    def forge(session: Session) -> None:
        event = session.get_one(Event, 2)
        body = {**json.loads(event.body), "by": "ravi"}
        changed = audit.canonical(body)
        values = {"body": changed, "hash": audit.digest(changed), "by": "ravi"}
        session.execute(update(Event).where(Event.sequence == 2).values(**values))

    without_triggers(empty_database, forge)
    assert verify(empty_database).faults[0] == "event 3: it does not follow the event before it"


def test_a_cut_tail_shows_by_the_head_that_a_report_states(empty_database: Database) -> None:
    fill(empty_database)
    head = verify(empty_database).head
    without_triggers(empty_database, lambda session: session.execute(delete(Event).where(Event.sequence == 5)))
    assert verify(empty_database).ok
    assert "were removed or replaced" in verify(empty_database, expected_head=head).faults[0]


def test_eight_writers_at_once_fork_nothing(empty_database: Database) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for index in range(20):
                with empty_database.write() as session:
                    audit.append(session, "login", by=name, data={"index": index})
        except DatabaseError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(f"writer{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    result = verify(empty_database)
    assert (result.events, result.faults) == (160, ())


def test_a_second_event_after_the_same_one_is_refused(empty_database: Database) -> None:
    fill(empty_database, 1)
    with empty_database.read() as session:
        first = session.get_one(Event, 1)
        values = {name: getattr(first, name) for name in Event.__table__.columns.keys()}  # noqa: SIM118
    fork = {**values, "sequence": 2, "hash": "f" * 64}
    with pytest.raises(DatabaseError), empty_database.write() as session:
        session.add(Event(**fork))


def test_an_answer_that_no_event_explains_shows(make_server: Any) -> None:
    server = make_server()
    with server.database.write() as session:
        session.execute(update(Answer).where(Answer.cell_id == 3).values(label="blast", status="confirmed"))
    (fault,) = verify(server.database).faults
    assert "cell 3: it is ['blast', 'confirmed', False]" in fault


def test_a_changed_cell_and_a_changed_signed_content_show(make_server: Any) -> None:
    server = make_server()
    sana = server.person("sana")
    body = {"password": server.password, "meaning": "approved", "override_reason": "a test"}
    sana.post("/api/cases/1/sign", body, version=1)
    assert verify(server.database).ok
    with server.database.write() as session:
        session.execute(text("UPDATE cells SET suggested = 'blast' WHERE id = 1"))
        session.execute(text("UPDATE answers SET label = 'monocyte' WHERE cell_id = 2"))
    faults = " ".join(verify(server.database).faults)
    assert "its cells are not those that were imported" in faults
    assert "the signed content was changed" in faults
    with pytest.raises(DatabaseError, match="append-only"), server.database.write() as session:
        session.execute(update(Signature).values(by="adam"))
