"""Bring a database to the tables of this version, with Alembic."""

from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.database import Database

SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(database: Database, to: str = "head") -> None:
    """Create or change the tables as this version needs them, or as the revision `to`, in one transaction.

    Raises LymphoscopeError if a newer version wrote the database, or if it holds tables of another program.
    """
    with database.write() as session:
        connection = session.connection()
        present = revision_of(connection)
        _refuse_strange(connection, present)
        if to == "head" and present == _scripts().get_current_head():
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a database's tables; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_strange(connection: Connection, present: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if present is not None and present not in known:
        raise LymphoscopeError(
            f"the database has revision {present}, which is newer than this version: upgrade Lymphoscope"
        )
    if present is None and inspect(connection).get_table_names():
        raise LymphoscopeError("the database holds tables of another program: give --database a new file or database")


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
