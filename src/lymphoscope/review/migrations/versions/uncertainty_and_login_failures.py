"""Uncertainty in place of doubt, and wrong passwords alone in place of all attempts to log in."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the column, and begin to count wrong passwords from none: earlier ones mattered for 15 minutes."""
    op.alter_column("cells", "doubt", new_column_name="uncertainty")
    op.drop_table("login_attempts")
    op.create_table(
        "login_failures",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    for column in ("address", "at", "name_key"):
        op.create_index(op.f(f"ix_login_failures_{column}"), "login_failures", [column], unique=False)
