"""The tables of the migrations, and databases that are not ours or too new."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, insert, select, text

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.database import Database, database_url, open_database
from lymphoscope.review.migrate import upgrade
from lymphoscope.review.tables import Base, Cell


def test_the_migrations_make_exactly_the_tables_of_this_version(empty_database: Any) -> None:
    with empty_database.read() as session:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []
    upgrade(empty_database)


def test_a_database_of_the_first_version_keeps_its_cells(
    make_server: Any, database_address: str, tmp_path: Path
) -> None:
    old = open_database(database_address)
    upgrade(old, "0001")
    server = make_server(str(tmp_path / "new.db"))
    _copy_as_first(server.database, old)
    upgrade(old)
    with old.read() as session, server.database.read() as now:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []
        cells, expected = (one.scalars(select(Cell).order_by(Cell.id)).all() for one in (session, now))
        assert [cell.uncertainty for cell in cells] == [cell.uncertainty for cell in expected]
        assert {cell.table_row for cell in cells} == {None}
        assert len(cells) == 40
    old.close()


def _copy_as_first(new: Database, old: Database) -> None:
    """Copy what was imported into a database of the first version, whose uncertainty was called doubt."""
    first = MetaData()
    first.reflect(old.engine)
    with new.read() as session, old.write() as copy:
        for name in ("sources", "cases", "fields", "cells"):
            rows = session.execute(select(Base.metadata.tables[name])).mappings()
            known = first.tables[name].columns.keys()
            for row in rows:
                values = {"doubt" if key == "uncertainty" else key: value for key, value in row.items()}
                copy.execute(insert(first.tables[name]).values({key: values[key] for key in known if key in values}))


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
