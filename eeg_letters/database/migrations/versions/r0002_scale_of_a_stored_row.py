"""The scale by which a stored row was read; of those that were kept before it is not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("predictions", sa.Column("recording_scale", sa.Text))
