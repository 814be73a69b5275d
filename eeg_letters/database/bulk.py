"""Many rows into a table, by the driver itself: SQLAlchemy's own way takes three times as long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
)
from sqlalchemy.exc import DBAPIError

# What PostgreSQL's binary copies call types; a SmallInteger and a BigInteger are Integers, too.
_COPIED_AS = (
    (BigInteger, "int8"),
    (SmallInteger, "int2"),
    (Integer, "int4"),
    (Boolean, "bool"),
    (LargeBinary, "bytea"),
)


def insert_many(
    connection: Connection, table: Table, names: Sequence[str], records: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows as they come.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction.
    table : sqlalchemy.Table
        Where they go.
    names : sequence of str
        The columns that they have.
    records : iterable of tuple
        Values of a row, in the order of `names`.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        Where the database fails, as SQLAlchemy raises it elsewhere.
    Exception
        Whatever `records` raises.
    """
    quoted = ", ".join(f'"{name}"' for name in names)
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table.name} ({quoted}) VALUES ({places})"  # noqa: S608
        insert = _execute
    else:
        statement = f"COPY {table.name} ({quoted}) FROM STDIN (FORMAT BINARY)"
        insert = partial(_copy, types=[_copied_as(table.c[name]) for name in names])
    driver_error = connection.dialect.loaded_dbapi.Error
    try:
        insert(connection.connection.driver_connection, statement, records)
    except driver_error as error:
        raise DBAPIError.instance(
            statement, None, error, driver_error, dialect=connection.dialect
        ) from error


def _execute(driver: Any, statement: str, records: Iterable[tuple[Any, ...]]) -> None:
    driver.executemany(statement, records)


def _copy(
    driver: Any, statement: str, records: Iterable[tuple[Any, ...]], types: Sequence[str]
) -> None:
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for record in records:
            copy.write_row(record)


def _copied_as(column: Column[Any]) -> str:
    return next((name for kind, name in _COPIED_AS if isinstance(column.type, kind)), "text")
