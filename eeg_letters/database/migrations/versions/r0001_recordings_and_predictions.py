"""Recordings, predictions and feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "recordings",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("imported_at", sa.BigInteger, nullable=False),
        sa.Column("n_rows", sa.BigInteger, nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("schema", sa.Text, nullable=False),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("label_column", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "recording_rows",
        sa.Column(
            "recording_id",
            _Id,
            sa.ForeignKey("recordings.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("line", sa.BigInteger, primary_key=True),
        sa.Column("class", sa.SmallInteger, nullable=False),
        sa.Column("powers", sa.LargeBinary, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "served",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("schema", sa.Text, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
    )
    op.create_table(
        "scores",
        sa.Column(
            "recording_id",
            _Id,
            sa.ForeignKey("recordings.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "served_id", _Id, sa.ForeignKey("served.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("score", sa.Text, nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("request_id", sa.Text, nullable=False, index=True),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("session", sa.Text),
        sa.Column("served_id", _Id, sa.ForeignKey("served.id"), nullable=False),
        sa.Column("recording_sha256", sa.Text),
        sa.Column("line", sa.BigInteger),
        sa.Column("powers", sa.LargeBinary),
        sa.Column("lda_class", sa.SmallInteger),
        sa.Column("lda_probabilities", sa.LargeBinary),
        sa.Column("mlp_class", sa.SmallInteger),
        sa.Column("mlp_probabilities", sa.LargeBinary),
        sa.Column("familiar", sa.Boolean),
        sa.Column("true_class", sa.SmallInteger),
        sqlite_autoincrement=True,
    )
    for column in ("session", "true_class"):
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_predictions_{column}",
            "predictions",
            [column],
            sqlite_where=there,
            postgresql_where=there,
        )
    op.create_table(
        "feedback",
        sa.Column("id", _Id, primary_key=True),
        sa.Column(
            "prediction_id",
            _Id,
            sa.ForeignKey("predictions.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("true_class", sa.SmallInteger, nullable=False),
        sa.Column("told_by", sa.Text),
    )
    op.create_table(
        "writers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
