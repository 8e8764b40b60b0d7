"""Pages of cells in an order: keyset pagination, so that every page takes the same time.

What blind cells hide, their suggestion, scores and referral, is hidden from every order and filter as well, until the
reading is closed.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session

from lymphoscope.review.refusals import invalid
from lymphoscope.review.similarity import similarity_ranks
from lymphoscope.review.tables import Answer, Cell, Reading, User
from lymphoscope.smear import CELL_CLASSES

Sort = Literal["position", "class", "blast_score", "uncertainty", "referral", "size", "learning", "similarity"]
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
LARGEST_PAGE: Final = 1000


@dataclass(frozen=True)
class Filters:
    """Which cells are listed; None does not filter."""

    label: str | None = None
    status: str | None = None
    referred: bool | None = None
    seen: bool | None = None
    field: int | None = None
    blind: bool | None = None
    added: bool | None = None
    undecided: bool | None = None
    """Cells without a label, or unidentified: what keeps a case from being signed."""


@dataclass(frozen=True)
class Order:
    """An order of the cells; `descending` None takes the one that the order usually has."""

    sort: Sort = "position"
    descending: bool | None = None
    to: int | None = None
    """The cell to which others are compared, for `similarity`."""


@dataclass(frozen=True)
class Page:
    """A page: shown cells, and the cursor of the next page (None at the end)."""

    cells: list[dict[str, Any]]
    next: str | None


def list_cells(
    session: Session, reading: Reading, order: Order, filters: Filters, *, after: str | None, limit: int
) -> Page:
    """Return a page of the cells of a reading. Raises RefusalError for a cursor of another order, or `unavailable`."""
    ranks = _ranks(session, reading, order)
    if ranks is not None:
        return _ranked_page(session, reading, order, filters, ranks, after=after, limit=limit)
    key, descending = sort_key(reading, order)
    query = cells_query(reading, filters).add_columns(key.label("sort_key"))
    if after is not None:
        query = query.where(_beyond(key, descending, *_decode(after, order)))
    query = query.order_by(key.desc() if descending else key.asc(), Cell.id.asc()).limit(limit + 1)
    rows = session.execute(query).all()
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = _encode(rows[-1].sort_key, rows[-1][0].id, order)
    names = user_names(session)
    return Page([shown_cell(row[0], row[1], reading, names) for row in rows], following)


def count_cells(session: Session, reading: Reading, filters: Filters) -> int:
    """Return how many cells a list has on all its pages."""
    return session.scalar(cells_query(reading, filters).with_only_columns(func.count())) or 0


def cells_query(reading: Reading, filters: Filters) -> Select[Any, Any]:
    """Return the query of the cells of a reading and their answers."""
    query = select(Cell, Answer).join(Answer, Answer.cell_id == Cell.id)
    query = query.where(Answer.reading_id == reading.id, Answer.status != "absent")
    equal = {
        Answer.label: filters.label,
        Answer.status: filters.status,
        Answer.seen: filters.seen,
        Cell.field_id: filters.field,
        Cell.blind: filters.blind,
        Cell.added: filters.added,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if filters.undecided is not None:
        undecided = or_(Answer.label.is_(None), Answer.label == "unidentified")
        query = query.where(undecided if filters.undecided else ~undecided)
    if filters.referred is not None:
        referred = and_(Cell.referred, ~hidden(reading))
        query = query.where(referred if filters.referred else ~referred)
    return query


def hidden(reading: Reading) -> ColumnElement[bool]:
    """Return the condition for cells whose suggestion is hidden: blind ones, until the reading is closed."""
    if hides_blind_cells(reading):
        return Cell.blind.is_(True)
    return literal(value=False)


def hides_blind_cells(reading: Reading) -> bool:
    """Return whether the suggestions of blind cells are hidden in a reading: until it is closed."""
    return reading.state == "open" and reading.revision == 1


def is_hidden(cell: Cell, reading: Reading) -> bool:
    """Return whether a cell's suggestion is hidden in a reading."""
    return cell.blind and hides_blind_cells(reading)


def sort_key(reading: Reading, order: Order) -> tuple[ColumnElement[Any], bool]:
    """Return the expression of an order, never NULL, and whether it descends."""
    ranks = {name: place for place, name in enumerate(CELL_CLASSES)}
    keys: Mapping[str, tuple[Any, bool]] = MappingProxyType(
        {
            "position": (Cell.position, False),
            "class": (case(ranks, value=Answer.label, else_=len(ranks)), False),
            "blast_score": (_shown_number(Cell.blast_score, reading), True),
            "uncertainty": (_shown_number(Cell.uncertainty, reading), True),
            "referral": (_shown_text(Cell.refer_reason, reading), True),
            "size": (func.coalesce(Cell.size_microns, Cell.width, -1.0), True),
            "learning": (case((hidden(reading), Cell.position), else_=func.coalesce(Cell.learning_rank, 0)), False),
        }
    )
    key, descends = keys[order.sort]
    return key, descends if order.descending is None else order.descending


def shown_cell(cell: Cell, answer: Answer, reading: Reading, names: Mapping[int, str]) -> dict[str, Any]:
    """Return a cell as the API shows it in a list."""
    concealed = is_hidden(cell, reading)
    columns = (
        *("id", "case_id", "cell_id", "x", "y", "width", "height", "microns_per_pixel", "size_microns"),
        *("sprite", "sprite_x", "sprite_y", "sprite_size", "marks", "quality", "blind", "added", "error"),
    )
    suggestion = ("suggested", "suggested_score", "blast_score", "uncertainty", "referred", "refer_reason")
    return {
        **{"case" if name == "case_id" else name: getattr(cell, name) for name in columns},
        "field": cell.field_id,
        **{name: None if concealed else getattr(cell, name) for name in suggestion},
        "label": answer.label,
        "status": answer.status,
        "seen": answer.seen,
        "version": answer.version,
        "by": names.get(answer.user_id or 0),
        "at": answer.at,
    }


def column_index(session: Session, reading: Reading, order: Order, filters: Filters) -> dict[str, Any]:
    """Return what a gallery needs of all cells of a list, as columns: ids, labels and states.

    It is what opening a gallery waits for, so rows stay plain tuples.
    """
    ranks = _ranks(session, reading, order)
    key, descending = sort_key(reading, order if ranks is None else Order())
    referred = and_(Cell.referred, ~hidden(reading))
    columns = (Cell.id, Answer.label, Answer.status, Answer.seen, referred)
    query = cells_query(reading, filters).with_only_columns(*columns)
    query = query.order_by(key.desc() if descending else key.asc(), Cell.id.asc())
    rows: list[tuple[Any, ...]] = [tuple(row) for row in session.connection().execute(query)]
    if ranks is not None:
        rows.sort(key=lambda row: ranks[row[0]])
    ids, labels, statuses, seen, refers = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    label_names, label_places = _places(labels)
    status_names, status_places = _places(statuses)
    return {
        "total": len(rows),
        "labels": label_names,
        "statuses": status_names,
        "cells": {
            "id": ids,
            "label": label_places,
            "status": status_places,
            "seen": [int(one) for one in seen],
            "referred": [int(one) for one in refers],
        },
    }


def next_cell(session: Session, reading: Reading, order: Order, after: int | None) -> tuple[Cell, Answer] | None:
    """Return the next cell that needs review (cell, answer) behind `after` in an order; from the start at its end."""
    query = cells_query(reading, Filters()).where(needs_review(reading))
    ranks = _ranks(session, reading, order)
    if ranks is not None:
        return _next_ranked(session, query, ranks, after)
    key, descending = sort_key(reading, order)
    ordered = query.order_by(key.desc() if descending else key.asc(), Cell.id.asc()).limit(1)
    if after is not None:
        place = cells_query(reading, Filters()).where(Cell.id == after).with_only_columns(key)
        value = session.scalar(place)
        if value is not None:
            found = session.execute(ordered.where(_beyond(key, descending, value, after))).first()
            if found is not None:
                return found[0], found[1]
    found = session.execute(ordered).first()
    return None if found is None else (found[0], found[1])


def needs_review(reading: Reading) -> ColumnElement[bool]:
    """Return the condition for cells that a person must look at: no label, unidentified, or referred and unseen."""
    return or_(
        Answer.status == "unanswered",
        Answer.label == "unidentified",
        and_(Cell.referred, ~Answer.seen, ~hidden(reading)),
    )


def user_names(session: Session) -> dict[int, str]:
    """Return the names of all people by id."""
    return {row.id: row.name for row in session.execute(select(User.id, User.name))}


def _ranks(session: Session, reading: Reading, order: Order) -> dict[int, int] | None:
    """The ranks of the cells in an order that the database cannot compute; None for the others."""
    if order.sort != "similarity":
        return None
    if order.to is None:
        raise invalid("to: say to which cell others are compared")
    ranks = similarity_ranks(session, reading.case_id, order.to, hides_blind_cells(reading))
    return {cell: -rank for cell, rank in ranks.items()} if order.descending else ranks


def _ranked_page(
    session: Session,
    reading: Reading,
    order: Order,
    filters: Filters,
    ranks: Mapping[int, int],
    *,
    after: str | None,
    limit: int,
) -> Page:
    listed = sorted(session.scalars(cells_query(reading, filters).with_only_columns(Cell.id)), key=ranks.__getitem__)
    if after is not None:
        beyond, _ = _decode(after, order)
        listed = [cell for cell in listed if ranks[cell] > beyond]
    following = _encode(ranks[listed[limit - 1]], listed[limit - 1], order) if len(listed) > limit else None
    found = session.execute(cells_query(reading, Filters()).where(Cell.id.in_(listed[:limit])))
    rows = sorted(((row[0], row[1]) for row in found), key=lambda row: ranks[row[0].id])
    names = user_names(session)
    return Page([shown_cell(cell, answer, reading, names) for cell, answer in rows], following)


def _next_ranked(
    session: Session, query: Select[Any, Any], ranks: Mapping[int, int], after: int | None
) -> tuple[Cell, Answer] | None:
    waiting = sorted(session.scalars(query.with_only_columns(Cell.id)), key=ranks.__getitem__)
    if not waiting:
        return None
    beyond = [cell for cell in waiting if after is not None and ranks[cell] > ranks.get(after, len(ranks))]
    found = session.execute(query.where(Cell.id == (beyond or waiting)[0])).one()
    return found[0], found[1]


def _places(values: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """The different values in order, and the place of each value among them; -1 for None."""
    names = [name for name in dict.fromkeys(values) if name is not None]
    places: dict[str | None, int] = {None: -1, **{name: at for at, name in enumerate(names)}}
    return names, [places[value] for value in values]


def _shown_number(column: Any, reading: Reading) -> ColumnElement[float]:
    return case((hidden(reading), -1.0), else_=func.coalesce(column, -1.0))


def _shown_text(column: Any, reading: Reading) -> ColumnElement[str]:
    return case((hidden(reading), ""), else_=func.coalesce(column, ""))


def _beyond(key: ColumnElement[Any], descending: bool, value: Any, cell_id: int) -> ColumnElement[bool]:
    further = key < value if descending else key > value
    return or_(further, and_(key == value, Cell.id > cell_id))


def _encode(value: Any, cell_id: int, order: Order) -> str:
    text = json.dumps([order.sort, value, cell_id])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, order: Order) -> tuple[Any, int]:
    try:
        sort, value, cell_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise invalid("after: this is not a cursor of a page") from error
    kind: type = (
        str if order.sort == "referral" else float if order.sort in ("blast_score", "uncertainty", "size") else int
    )
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int) and not isinstance(value, bool))
    if sort != order.sort or not fits or not isinstance(cell_id, int) or not 0 <= cell_id <= 2**53:
        raise invalid("after: this cursor belongs to another order")
    if isinstance(value, str) and "\0" in value:
        raise invalid("after: this is not a cursor of a page")
    if isinstance(value, int) and abs(value) > 2**31 - 1:
        raise invalid("after: this is not a cursor of a page")
    return value, cell_id
