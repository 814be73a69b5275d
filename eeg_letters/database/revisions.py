"""Which revision the tables have, and bringing them up to date."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from eeg_letters.database.engine import explained, sqlite_file, writing
from eeg_letters.database.tables import REVISIONS
from eeg_letters.errors import DatabaseError

NEEDED = REVISIONS[-1]
_UPGRADE = "python -m eeg_letters.database upgrade"
# Of PostgreSQL's advisory lock: two upgrades at a time would make one table twice.
_LOCK = 0x_EE61_E77E


class NewerTables(DatabaseError):
    """The tables are newer than this version knows, which waiting does not change."""


def current(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def check(engine: Engine) -> None:
    """Make sure that the tables are those that this version is for.

    Raises
    ------
    NewerTables
        When they are newer.
    DatabaseError
        When they are older, or there are none.
    sqlalchemy.exc.SQLAlchemyError
        When the database cannot be asked.
    """
    file = sqlite_file(engine)
    if file is not None and not file.exists():
        # To connect would make one.
        raise DatabaseError(f"{file}: there is no such database; `{_UPGRADE}` makes one")
    with engine.connect() as connection:
        found = current(connection)
    if found == NEEDED:
        return
    if found is None:
        raise DatabaseError(f"the database has no tables of ours; `{_UPGRADE}` makes them")
    if found in REVISIONS:
        raise DatabaseError(
            f"the database's tables are of revision {found}, and this version needs {NEEDED}:"
            f" run `{_UPGRADE}`"
        )
    raise NewerTables(
        f"the database's tables are of revision {found}, which is newer than {NEEDED}, the newest"
        " that this version knows: use the version of eeg-letters that made them"
    )


def upgrade(engine: Engine) -> str | None:
    """Make the tables, or bring them up to date, all or nothing.

    Returns
    -------
    str or None
        The revision that they had.

    Raises
    ------
    DatabaseError
        When they are newer than this version knows, or the database cannot be used.
    """
    # Serving has no use for it, and it takes 0.4 s.
    from alembic import command
    from alembic.config import Config

    file = sqlite_file(engine)
    if file is not None and not file.parent.is_dir():
        raise DatabaseError(f"{file}: there is no folder {file.parent}")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with explained(engine), writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        before = current(connection)
        if before is not None and before not in REVISIONS:
            raise DatabaseError(
                f"the database's tables are of revision {before}, which is newer than {NEEDED}, the"
                " newest that this version knows"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, NEEDED)
    return before
