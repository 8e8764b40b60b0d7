"""The tables of the review database. No pixels are stored: images stay in the results folder.

Times are text in UTC (`clock`). `migrations` creates the tables; a test compares it with this module.
"""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Number = BigInteger().with_variant(Integer, "sqlite")
"""64-bit whole numbers; SQLite counts up only columns that are called INTEGER."""

CASE_STATES: Final = ("imported", "in_review", "signed", "amended")
READING_ROLES: Final = ("primary", "second")
READING_STATES: Final = ("open", "finished", "signed", "superseded")
STATUSES: Final = ("suggested", "unanswered", "confirmed", "absent")
"""Of an answer: the model's label, no label, a person's label, or a cell whose adding was undone."""

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of all tables."""

    metadata = MetaData(naming_convention=NAMES)


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class User(Base):
    """A person: password as an argon2 hash, or none if only the OIDC provider identifies her."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(JSON)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    preferences: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created: Mapped[str] = mapped_column(String(32))


class LoginSession(Base):
    """A login. Only the hash of the cookie's token is stored."""

    __tablename__ = "sessions"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    created: Mapped[str] = mapped_column(String(32))
    expires: Mapped[str] = mapped_column(String(32))
    authenticated: Mapped[str] = mapped_column(String(32))


class LoginFailure(Base):
    """A wrong password, for the rate limits; old ones are removed."""

    __tablename__ = "login_failures"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name_key: Mapped[str] = mapped_column(String(64), index=True)
    address: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[str] = mapped_column(String(32), index=True)


class Source(Base):
    """An imported results folder or table of predictions; its hash makes the import idempotent."""

    __tablename__ = "sources"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    folder: Mapped[str] = mapped_column(Text)
    table_name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    imported: Mapped[str] = mapped_column(String(32))
    model: Mapped[dict[str, Any]] = mapped_column(JSON)


class Case(Base):
    """One subject of a source: what is reviewed and signed together."""

    __tablename__ = "cases"
    __table_args__ = (_one_of("state", CASE_STATES), UniqueConstraint("source_id", "key"))
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id"))
    key: Mapped[str] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), index=True)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    target: Mapped[int] = mapped_column(Integer)
    primary_id: Mapped[int | None] = mapped_column(Number)
    cells_hash: Mapped[str] = mapped_column(String(64))
    created: Mapped[str] = mapped_column(String(32))


class Field(Base):
    """A field of view or slide of a case: where its image is, its size in pixels and its scale."""

    __tablename__ = "fields"
    __table_args__ = (UniqueConstraint("case_id", "name"),)
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    name: Mapped[str] = mapped_column(Text)
    slide: Mapped[str | None] = mapped_column(Text)
    path: Mapped[str | None] = mapped_column(Text)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    microns_per_pixel: Mapped[float | None] = mapped_column(Float)
    quality: Mapped[list[str]] = mapped_column(JSON, default=list)


class Cell(Base):
    """A cell, as the results describe it: never changed after the import. Boxes are in pixels of the field."""

    __tablename__ = "cells"
    __table_args__ = (Index("ix_cells_case_position", "case_id", "position"),)
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    field_id: Mapped[int | None] = mapped_column(ForeignKey("fields.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    cell_id: Mapped[str] = mapped_column(Text)
    path: Mapped[str | None] = mapped_column(Text)
    slide: Mapped[str | None] = mapped_column(Text)
    x: Mapped[float | None] = mapped_column(Float)
    y: Mapped[float | None] = mapped_column(Float)
    width: Mapped[float | None] = mapped_column(Float)
    height: Mapped[float | None] = mapped_column(Float)
    outline: Mapped[list[Any] | None] = mapped_column(JSON)
    microns_per_pixel: Mapped[float | None] = mapped_column(Float)
    size_microns: Mapped[float | None] = mapped_column(Float)
    detector_score: Mapped[float | None] = mapped_column(Float)
    marks: Mapped[list[str]] = mapped_column(JSON, default=list)
    quality: Mapped[list[str]] = mapped_column(JSON, default=list)
    sprite: Mapped[str | None] = mapped_column(Text)
    sprite_x: Mapped[int | None] = mapped_column(Integer)
    sprite_y: Mapped[int | None] = mapped_column(Integer)
    sprite_size: Mapped[int | None] = mapped_column(Integer)
    suggested: Mapped[str | None] = mapped_column(Text)
    suggested_score: Mapped[float | None] = mapped_column(Float)
    blast_score: Mapped[float | None] = mapped_column(Float)
    uncertainty: Mapped[float | None] = mapped_column(Float)
    scores: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    referred: Mapped[bool] = mapped_column(Boolean, default=False)
    refer_reason: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    learning_rank: Mapped[int | None] = mapped_column(Integer)
    table_row: Mapped[int | None] = mapped_column(Integer)
    counted_as: Mapped[str | None] = mapped_column(Text)
    in_target: Mapped[bool | None] = mapped_column(Boolean)
    blind: Mapped[bool] = mapped_column(Boolean, default=False)
    added: Mapped[bool] = mapped_column(Boolean, default=False)


class Reading(Base):
    """One set of answers to the cells of a case: the primary one of each revision, or a second reader's."""

    __tablename__ = "readings"
    __table_args__ = (_one_of("role", READING_ROLES), _one_of("state", READING_STATES))
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer, default=1)
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created: Mapped[str] = mapped_column(String(32))
    lease_user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lease_until: Mapped[str | None] = mapped_column(String(32))


class Answer(Base):
    """The present answer to a cell in a reading. `version` is the reading's version at the last change."""

    __tablename__ = "answers"
    __table_args__ = (
        _one_of("status", STATUSES),
        Index("ix_answers_reading_label", "reading_id", "label", "status"),
        Index("ix_answers_reading_version", "reading_id", "version"),
    )
    reading_id: Mapped[int] = mapped_column(ForeignKey("readings.id"), primary_key=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cells.id"), primary_key=True)
    label: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    seen: Mapped[bool] = mapped_column(Boolean, default=False)
    version: Mapped[int] = mapped_column(Integer, default=1)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[str | None] = mapped_column(String(32))


class Comment(Base):
    """A comment on a case or one of its cells. A withdrawn one is no longer shown."""

    __tablename__ = "comments"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    cell_id: Mapped[int | None] = mapped_column(ForeignKey("cells.id"), index=True)
    reading_id: Mapped[int | None] = mapped_column(ForeignKey("readings.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    at: Mapped[str] = mapped_column(String(32))
    text: Mapped[str] = mapped_column(Text)
    withdrawn: Mapped[bool] = mapped_column(Boolean, default=False)


class Event(Base):
    """An entry of the audit chain. Triggers of the database refuse to change or delete one.

    `body` is the canonical text that is hashed; the other columns repeat parts of it for queries.
    """

    __tablename__ = "events"
    sequence: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    at: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(32))
    by: Mapped[str | None] = mapped_column(String(64))
    case_id: Mapped[int | None] = mapped_column(Number, index=True)
    reading_id: Mapped[int | None] = mapped_column(Number, index=True)
    undoes: Mapped[int | None] = mapped_column(Number, unique=True)
    body: Mapped[str] = mapped_column(Text)


class Signature(Base):
    """A signature: who, when and with which meaning, bound to the hash of the signed content."""

    __tablename__ = "signatures"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    reading_id: Mapped[int] = mapped_column(ForeignKey("readings.id"), unique=True)
    revision: Mapped[int] = mapped_column(Integer)
    by: Mapped[str] = mapped_column(String(64))
    display_name: Mapped[str] = mapped_column(String(200))
    at: Mapped[str] = mapped_column(String(32))
    meaning: Mapped[str] = mapped_column(Text)
    override_reason: Mapped[str | None] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(String(64))
    event: Mapped[int] = mapped_column(Number)
    head: Mapped[str] = mapped_column(String(64))
