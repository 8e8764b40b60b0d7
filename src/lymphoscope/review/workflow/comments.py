"""Comments on cases and cells."""

from sqlalchemy.orm import Session

from lymphoscope.review import audit
from lymphoscope.review.clock import now
from lymphoscope.review.people import Person
from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.tables import Case, Cell, Comment
from lymphoscope.review.workflow.changes import second_reading_of


def comment(session: Session, person: Person, case_id: int, text: str, cell_id: int | None) -> Comment:
    """Add a comment to a case or to one of its cells. A second reader's stay hidden with the reading."""
    if session.get(Case, case_id) is None:
        raise not_found("case", case_id)
    cell = None if cell_id is None else session.get(Cell, cell_id)
    if cell_id is not None and (cell is None or cell.case_id != case_id):
        raise not_found("cell of this case", cell_id)
    added = Comment(
        case_id=case_id,
        cell_id=cell_id,
        reading_id=second_reading_of(session, person, case_id),
        user_id=person.id,
        at=now(),
        text=text,
        withdrawn=False,
    )
    session.add(added)
    session.flush()
    data = {"comment": added.id, "cell": cell_id, "text": text}
    audit.append(session, "commented", by=person.name, case=case_id, reading=added.reading_id, data=data)
    return added


def withdraw(session: Session, person: Person, comment_id: int) -> None:
    """Withdraw one's own comment. Its text remains in the audit chain."""
    found = session.get(Comment, comment_id)
    if found is None or found.withdrawn:
        raise not_found("comment", comment_id)
    if found.user_id != person.id:
        raise RefusalError(403, "not_allowed", "only who wrote a comment can withdraw it")
    found.withdrawn = True
    data = {"comment": comment_id}
    audit.append(session, "comment_withdrawn", by=person.name, case=found.case_id, reading=found.reading_id, data=data)
