"""The tables of the migrations, and databases that are not ours or too new."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.database import database_url, open_database
from lymphoscope.review.importing import import_results
from lymphoscope.review.migrate import revision_of, upgrade
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.review.tables import Base, Cell


def test_the_migrations_make_exactly_the_tables_of_this_version(empty_database: Any) -> None:
    with empty_database.read() as session:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []
    upgrade(empty_database)


def test_a_database_of_the_first_version_keeps_its_cells(empty_database: Any, make_server: Any, tmp_path: Path) -> None:
    import_results(empty_database, make_server.results(tmp_path / "results"), ReviewSettings(""), by=None)
    with empty_database.write() as session:
        for table, column in _added_since("0001", tmp_path / "first.db"):
            session.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    upgrade(empty_database)
    with empty_database.read() as session:
        assert set(session.scalars(select(Cell.table_row))) == {None}
        assert len(session.scalars(select(Cell.cell_id)).all()) == 40


def _added_since(revision: str, path: Path) -> list[tuple[str, str]]:
    """The tables and columns that later revisions added to those of `revision`."""
    database = open_database(path)
    upgrade(database, revision)
    with database.read() as session:
        assert revision_of(session.connection()) == revision
        inspector = inspect(session.connection())
        old = {
            (table, column["name"]) for table in inspector.get_table_names() for column in inspector.get_columns(table)
        }
    database.close()
    tables = {table for table, _ in old}
    return [
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if table.name in tables and (table.name, column.name) not in old
    ]


def test_no_table_has_a_column_for_pixels() -> None:
    kinds = {column.type.__class__.__name__ for table in Base.metadata.tables.values() for column in table.columns}
    assert "LargeBinary" not in kinds


def test_a_newer_database_and_one_of_another_program_are_refused(empty_database: Any, tmp_path: Path) -> None:
    with empty_database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LymphoscopeError, match="newer than this version"):
        upgrade(empty_database)
    other = open_database(tmp_path / "other.db")
    with other.write() as session:
        session.execute(text("CREATE TABLE accounts (id INTEGER)"))
    with pytest.raises(LymphoscopeError, match="tables of another program"):
        upgrade(other)
    other.close()


@pytest.mark.parametrize("address", ["mysql://host/name", "postgresql://nobody@127.0.0.1:1/none", "://"])
def test_an_address_that_does_not_work_is_one_line(address: str) -> None:
    with pytest.raises(LymphoscopeError, match=r"--database|only a file"):
        open_database(address)


def test_a_password_is_not_shown_in_the_error() -> None:
    with pytest.raises(LymphoscopeError) as error:
        open_database("postgresql://user:hidden-word@127.0.0.1:1/none")
    assert "hidden-word" not in str(error.value)


def test_a_new_file_is_private(tmp_path: Path) -> None:
    open_database(tmp_path / "new" / "review.db").close()
    assert (tmp_path / "new" / "review.db").stat().st_mode & 0o077 == 0
    assert database_url(tmp_path / "a.db").drivername == "sqlite+pysqlite"
