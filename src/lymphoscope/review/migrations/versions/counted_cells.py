"""How `smear` counted each cell, and the row of the table that it comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; for cells that were imported before they are not known."""
    op.add_column("cells", sa.Column("table_row", sa.Integer(), nullable=True))
    op.add_column("cells", sa.Column("counted_as", sa.Text(), nullable=True))
    op.add_column("cells", sa.Column("in_target", sa.Boolean(), nullable=True))
