"""Connections to the database: SQLite in one file, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from eeg_letters.errors import DatabaseError, DatabaseFailed
from eeg_letters.settings import SQLITE, Settings, database_address

# How long a connection may take, and data on their way, until the database counts as gone.
CONNECT_SECONDS = 3
# How long SQLite waits for another process that writes.
_BUSY_SECONDS = 5
_RETRY_SECONDS = 0.01
# PostgreSQL's code of it.
_READ_ONLY = "25006"
# Of SQLite's machine, between two looks at the clock: a millisecond at most.
_STEPS = 10_000
# Of a process that serves; one more connection keeps answers, one is for what clients write, and
# one for scores.
MOST_READERS = 4
_MOST_CONNECTIONS = MOST_READERS + 3


def open_engine(settings: Settings) -> Engine:
    """An engine of the database that the settings name; it connects when it is first used.

    Raises
    ------
    DatabaseError
        When what they name is no address of a database.
    """
    url = _url(settings)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            pool_size=_MOST_CONNECTIONS,
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_size=_MOST_CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
    )

    def connect(dialect: Dialect, _: Any, __: Any, parameters: dict[str, Any]) -> None:
        # A mounted Secret changes when the password does.
        _, named = dialect.create_connect_args(_url(settings))
        parameters.clear()
        parameters |= {**_POSTGRESQL, **named}

    event.listen(engine, "do_connect", connect)
    return engine


_POSTGRESQL = {
    "application_name": "eeg-letters",
    "connect_timeout": CONNECT_SECONDS,
    # PgBouncer in transaction mode gives every transaction another connection.
    "prepare_threshold": None,
    "tcp_user_timeout": CONNECT_SECONDS * 1000,
    # A node that died while something was asked sends nothing more: without these it is waited for
    # two hours.
    "keepalives_idle": CONNECT_SECONDS,
    "keepalives_interval": 1,
    "keepalives_count": CONNECT_SECONDS,
}


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that writes, committed at the end unless an error ends it."""
    with engine.execution_options(writes=True).begin() as connection:
        yield connection


@contextmanager
def limited(connection: Connection, seconds: float) -> Iterator[None]:
    """Ends what a connection in a transaction is asked after a while, when nobody waits for it.

    Raises
    ------
    sqlalchemy.exc.OperationalError
        Where it takes longer.
    """
    if connection.dialect.name == "postgresql":
        # A setting takes no parameters, and ends with the transaction.
        connection.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
        yield
        return
    until = time.monotonic() + seconds
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, _STEPS)


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turns what the driver raises into one sentence for the user of a command.

    Raises
    ------
    DatabaseFailed
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise DatabaseFailed(f"{display_url(engine.url)}: {reason(error)}") from None


def display_url(url: URL) -> str:
    """An address without its password and without its parameters, which may have one."""
    named = url.set(drivername=url.get_backend_name(), password=None, query={})
    return named.render_as_string()


def is_busy(error: Exception) -> bool:
    """Whether SQLite's file is there, and another process has been writing to it for too long."""
    return _says_busy(getattr(error, "orig", None))


def is_read_only(error: Exception) -> bool:
    """Whether PostgreSQL is there, and takes nothing, as a standby does."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == _READ_ONLY


def _says_busy(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    # A more precise code has the usual one in its last byte.
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def reason(error: Exception) -> str:
    """What the driver says, in one line."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if is_busy(error):
        return f"another process has been writing to it for {_BUSY_SECONDS} s"
    return " ".join(str(told).split())


def _url(settings: Settings) -> URL:
    source, address = database_address(settings)
    if address.startswith(SQLITE):
        # A file's name may have what means something in an address.
        return URL.create("sqlite", database=address.removeprefix(SQLITE))
    if address.count("@") > 1:
        # What follows the first would be read as a host, and told.
        raise DatabaseError(
            f"{source}: not an address of a database: it has more than one @, which a name or a"
            " password has as %40"
        )
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
        # As the driver does, which would let the error through as it is.
        (url.host or "").encode("idna")
    except (ArgumentError, ValueError):
        # Its value may have a password.
        raise DatabaseError(f"{source}: not an address of a database") from None
    return url


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # Transactions begin where `_begin_sqlite` says, and not where the driver thinks.
    connection.isolation_level = None
    _log_ahead(connection)
    for pragma in (
        "synchronous = NORMAL",
        "foreign_keys = ON",
        # What is deleted is of a person.
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _log_ahead(connection: sqlite3.Connection) -> None:
    # While another process does this to a new file, SQLite refuses it at once, timeout or not.
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if not _says_busy(error) or time.monotonic() > until:
                raise
        time.sleep(_RETRY_SECONDS)


def _begin_sqlite(connection: Connection) -> None:
    # Who reads first and writes later would be refused where another has written in between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """What tells the file of an SQLite database from another of its name; None without a file."""
    file = sqlite_file(engine)
    try:
        found = None if file is None else file.stat()
    except FileNotFoundError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def sqlite_file(engine: Engine) -> Path | None:
    """The file of an SQLite database; None of another."""
    is_file = engine.dialect.name == "sqlite" and engine.url.database is not None
    return Path(engine.url.database or "") if is_file else None
