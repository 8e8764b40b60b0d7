"""Run by Alembic: migrate the connection that `migrate` has put into the configuration."""

from alembic import context

from lymphoscope.review.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
