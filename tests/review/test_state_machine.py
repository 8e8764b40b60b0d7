"""Random sequences of relabelling, confirming, undoing, signing and amending keep every invariant."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lymphoscope.review import workflow
from lymphoscope.review.audit import head
from lymphoscope.review.database import open_database
from lymphoscope.review.importing import import_results
from lymphoscope.review.migrate import upgrade
from lymphoscope.review.people import Person, add_user, person_of
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.review.tables import Answer, Case, Reading, Signature
from lymphoscope.review.verification import verify
from lymphoscope.review.workflow.change_batches import WantedChange, change_in_turn

CELLS = 8
LABELS = st.sampled_from(["blast", "monocyte", "artefact", "unidentified"])
SOME_CELLS = st.lists(st.integers(1, CELLS), min_size=1, max_size=4, unique=True)
PERSON = st.integers(0, 1)


class Review(RuleBasedStateMachine):
    """Compares the database with a model: answers by cell, a stack of undoable states per person, the revision."""

    results: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = open_database(Path(self.folder.name) / "review.db")
        upgrade(self.database)
        import_results(self.database, self.results, ReviewSettings("", blind_share=0.0, target=1), by=None)
        with self.database.write() as session:
            users = [
                add_user(session, name, display_name=name, roles=["senior_reader"], password_hash=None, by=None)
                for name in ("rita", "ravi")
            ]
            self.people: list[Person] = [person_of(user) for user in users]

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.signed = False
        self.old: dict[int, Any] = {}
        self.heads: list[str] = []
        self.model = self.answers(self.reading())
        self.done: list[tuple[int, int, dict[int, Any]]] = []

    def reading(self) -> int:
        with self.database.read() as session:
            return session.get_one(Case, 1).primary_id or 0

    def answers(self, reading: int) -> dict[int, Any]:
        with self.database.read() as session:
            rows = session.query(Answer).filter(Answer.reading_id == reading)
            return {row.cell_id: (row.label, row.status, row.seen) for row in rows}

    def change(self, who: int, do: Any, new: dict[int, Any]) -> None:
        """Do it at the present version, and expect the new answers; a signed case refuses and does not change."""
        reading, before = self.reading(), dict(self.model)
        with self.database.read() as session:
            version = session.get_one(Reading, reading).version
        try:
            with self.database.write() as session:
                change = do(session, self.people[who], reading, version)
        except RefusalError as refusal:
            assert refusal.code == "locked_case" if self.signed else refusal.code in ("invalid", "changed")
            return
        assert not self.signed
        if change.event is not None:
            self.done.append((who, change.event, before))
        self.model = before | new

    @rule(who=PERSON, cells=SOME_CELLS, label=LABELS)
    def label(self, who: int, cells: list[int], label: str) -> None:
        new = dict.fromkeys(cells, (label, "confirmed", True))
        self.change(who, lambda *given: workflow.label(*given, cells, label), new)

    @rule(who=PERSON, cells=SOME_CELLS)
    def confirm(self, who: int, cells: list[int]) -> None:
        new = {cell: (self.model[cell][0], "confirmed", True) for cell in cells}
        self.change(who, lambda *given: workflow.confirm(*given, cells), new)

    @rule(who=PERSON, cells=SOME_CELLS)
    def see(self, who: int, cells: list[int]) -> None:
        new = {cell: (*self.model[cell][:2], True) for cell in cells}
        self.change(who, lambda *given: workflow.see(*given, cells), new)

    @rule(who=PERSON, first=SOME_CELLS, second=SOME_CELLS, name=LABELS)
    def change_several_at_once(self, who: int, first: list[int], second: list[int], name: str) -> None:
        steps = [dict.fromkeys(first, (name, "confirmed", True))]
        after = self.model | steps[0]
        steps.append({cell: (*after[cell][:2], True) for cell in second})
        wanted = [WantedChange("label", tuple(first), name), WantedChange("seen", tuple(second))]
        reading = self.reading()
        with self.database.read() as session:
            version = session.get_one(Reading, reading).version
        try:
            with self.database.write() as session:
                batch = change_in_turn(session, self.people[who], reading, version, wanted)
        except RefusalError as refusal:
            assert refusal.code == "locked_case"
            assert self.signed
            return
        assert batch.refused is None
        for made, new in zip(batch.made, steps, strict=True):
            if made.event is not None:
                self.done.append((who, made.event, dict(self.model)))
            self.model = self.model | new

    @precondition(lambda self: self.done and not self.signed)
    @rule()
    def undo_the_last_change(self) -> None:
        who, event, before = self.done.pop()
        reading = self.reading()
        with self.database.read() as session:
            version = session.get_one(Reading, reading).version
        with self.database.write() as session:
            _, undone = workflow.undo(session, self.people[who], reading, version, event)
        assert undone == event
        self.model = before

    @rule(who=PERSON)
    def sign(self, who: int) -> None:
        with self.database.read() as session:
            reading = session.get_one(Reading, session.get_one(Case, 1).primary_id)
            version, revision = reading.version, reading.revision
        try:
            with self.database.write() as session:
                signature = workflow.sign(
                    session, self.people[who], 1, version, meaning="approved", override_reason="a test"
                )
                assert signature.revision == revision
        except RefusalError as refusal:
            assert (refusal.code, self.signed) == ("locked_case", True)
            return
        assert not self.signed
        self.signed = True
        self.old[reading.id] = dict(self.model)

    @rule(who=PERSON)
    def amend(self, who: int) -> None:
        try:
            with self.database.write() as session:
                workflow.amend(session, self.people[who], 1, "a test")
        except RefusalError as refusal:
            assert (refusal.code, self.signed) == ("not_signed", False)
            return
        assert self.signed
        self.signed, self.done = False, []

    @invariant()
    def the_database_is_what_the_model_says(self) -> None:
        assert self.answers(self.reading()) == self.model
        for reading, answers in self.old.items():
            assert self.answers(reading) == answers
        with self.database.read() as session:
            case = session.get_one(Case, 1)
            assert (case.state in ("signed", "amended")) == self.signed
            assert case.revision == len(self.old) + (not self.signed)
            assert session.query(Signature).count() == len(self.old)

    @invariant()
    def the_chain_fits_and_keeps_every_earlier_head(self) -> None:
        with self.database.read() as session:
            self.heads.append(head(session).hash)
        assert verify(self.database, expected_head=self.heads[len(self.heads) // 2]).faults == ()


@pytest.mark.slow
def test_no_sequence_of_changes_breaks_an_invariant(make_server: Any, tmp_path: Path) -> None:
    Review.results = make_server.results(tmp_path / "small", cells=CELLS)
    bounded = settings(
        max_examples=20,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # to shorten a failing example takes minutes
    )
    run_state_machine_as_test(Review, settings=bounded)
