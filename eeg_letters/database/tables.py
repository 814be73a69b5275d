"""The tables, as the code that reads and writes them has them; `migrations` makes them.

Times are whole microseconds since 1970-01-01 in UTC. Arrays are the bytes of little-endian float64.
A class is an index in the labels of a schema: that of the recording, or that which was served.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from eeg_letters.models import MODELS, Model

# Revisions of the tables in order, as `migrations` has them; the last is what this code is for.
REVISIONS = ("0001", "0002")

metadata = MetaData()
# What a column of whole numbers can have.
INT64 = range(-(2**63), 2**63)
# SQLite counts rows up in a column of this type alone.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _number() -> Column[int]:
    return Column("id", _Id, primary_key=True)


recordings = Table(
    "recordings",
    metadata,
    _number(),
    Column("name", Text, nullable=False, unique=True),
    # Checksum of the file's bytes, hexadecimal.
    Column("sha256", Text, nullable=False),
    Column("imported_at", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
    # About what its rows take in the database.
    Column("n_bytes", BigInteger, nullable=False),
    # `eeg_letters.schema.Schema.to_metadata` of its features and classes.
    Column("schema", Text, nullable=False),
    # Names, as a JSON list.
    Column("columns", Text, nullable=False),
    Column("label_column", Text, nullable=False),
    # By its number a process knows a recording that it has looked at.
    sqlite_autoincrement=True,
)

recording_rows = Table(
    "recording_rows",
    metadata,
    Column("recording_id", _Id, ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("class", SmallInteger, nullable=False),
    # Shape (n_features,); logarithms have become powers.
    Column("powers", LargeBinary, nullable=False),
    # The row as the file has it: JSON, compressed by zlib.
    Column("document", LargeBinary, nullable=False),
)

# What answers: a pair of models. One row for each that ever did.
served = Table(
    "served",
    metadata,
    _number(),
    # Of the two others, so that there is one row of each.
    Column("digest", Text, nullable=False, unique=True),
    # `Schema.to_metadata`.
    Column("schema", Text, nullable=False),
    # Version by the model's name in the store, as a JSON object.
    Column("versions", Text, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("recording_id", _Id, ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("served_id", _Id, ForeignKey("served.id", ondelete="CASCADE"), primary_key=True),
    # Share of right answers by the model's title, as a JSON object.
    Column("score", Text, nullable=False),
)


def class_column(model: Model) -> str:
    """The column of `predictions` that has the class which a model gave; null if not asked."""
    return f"{model.name.removeprefix('eeg-')}_class"


def probabilities_column(model: Model) -> str:
    """The column of `predictions` that has a model's probabilities, shape (n_labels,)."""
    return f"{model.name.removeprefix('eeg-')}_probabilities"


def _answer_columns(model: Model) -> tuple[Column[int], Column[bytes]]:
    return (
        Column(class_column(model), SmallInteger),
        Column(probabilities_column(model), LargeBinary),
    )


# A row that was answered.
predictions = Table(
    "predictions",
    metadata,
    _number(),
    Column("at", BigInteger, nullable=False, index=True),
    Column("request_id", Text, nullable=False, index=True),
    # Its place in the request, from 0.
    Column("row", Integer, nullable=False),
    # Template of the path.
    Column("route", Text, nullable=False),
    Column("session", Text),
    Column("served_id", _Id, ForeignKey("served.id"), nullable=False),
    # Of a stored row: checksum of the recording, scale by which it was read, and line.
    Column("recording_sha256", Text),
    Column("recording_scale", Text),
    Column("line", BigInteger),
    # Of a client's row, shape (n_features,), unless band powers are not kept.
    Column("powers", LargeBinary),
    *(column for model in MODELS for column in _answer_columns(model)),
    Column("familiar", Boolean),
    # What it turned out to be: the newest of its feedback.
    Column("true_class", SmallInteger),
    # Numbers of rows that were deleted are not used again.
    sqlite_autoincrement=True,
)


def _index_of_some(column: str) -> Index:
    there = text(f"{column} IS NOT NULL")
    return Index(
        f"ix_predictions_{column}",
        predictions.c[column],
        sqlite_where=there,
        postgresql_where=there,
    )


_index_of_some("session")
_index_of_some("true_class")

# What was said of predictions, every time.
feedback = Table(
    "feedback",
    metadata,
    _number(),
    Column(
        "prediction_id",
        _Id,
        ForeignKey("predictions.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("at", BigInteger, nullable=False),
    Column("true_class", SmallInteger, nullable=False),
    # Name of the token; null where none was asked for.
    Column("told_by", Text),
)

# Processes that write predictions, each with the last batch that it wrote: one whose connection
# broke finds out by it whether the batch is there.
writers = Table(
    "writers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
