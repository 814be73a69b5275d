"""Tables are made and brought up to date, all or nothing, by one process at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Boolean, Engine, Integer, LargeBinary, MetaData, inspect, text

from eeg_letters.database import revisions
from eeg_letters.database.engine import open_engine, writing
from eeg_letters.database.tables import REVISIONS, metadata
from eeg_letters.errors import DatabaseError
from eeg_letters.settings import Settings
from tests.conftest import ROOT, environment
from tests.database.conftest import command_line, complaint, run, succeed

# An upgrade that tells of its last table but one, and waits for ever.
HALF = """
import os, sys, threading
from sqlalchemy import event
from eeg_letters.database import revisions
from eeg_letters.database.engine import open_engine
from eeg_letters.settings import read_settings

engine = open_engine(read_settings(os.environ))

@event.listens_for(engine, "before_cursor_execute")
def wait(connection, cursor, statement, *_):
    if "CREATE TABLE feedback" in statement:
        print("half", flush=True)
        threading.Event().wait()

revisions.upgrade(engine)
"""


@pytest.fixture
def bare(database: str) -> Iterator[Engine]:
    """An engine of a database with nothing in it."""
    engine = open_engine(Settings(database=database))
    yield engine
    engine.dispose()


def alembic_config() -> Config:
    config = Config()
    folder = Path(revisions.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config


def tables(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return revisions.current(connection)


def value_for(column: Any) -> Any:
    if column.foreign_keys or column.primary_key:
        return "a" if not isinstance(column.type, Integer) else 1
    kinds = ((Boolean, True), (LargeBinary, b"\0\xff"), (BigInteger, 2**40), (Integer, 3))
    return next((value for kind, value in kinds if isinstance(column.type, kind)), "it's text")


def fill(engine: Engine) -> dict[str, dict[str, Any]]:
    """Put a row with a value in each column into every table; gives these rows."""
    found = MetaData()
    with writing(engine) as connection:
        found.reflect(connection)
        rows = {}
        for table in found.sorted_tables:
            if table.name != "alembic_version":
                rows[table.name] = {column.name: value_for(column) for column in table.columns}
                connection.execute(table.insert().values(rows[table.name]))
    return rows


def set_revision(engine: Engine, revision: str) -> None:
    with writing(engine) as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :number"), {"number": revision}
        )


def test_revisions_are_those_of_the_migrations() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert script.get_heads() == [revisions.NEEDED]
    assert tuple(each.revision for each in script.walk_revisions())[::-1] == REVISIONS


def test_migrations_make_the_tables_that_the_code_has(bare: Engine) -> None:
    assert revisions.upgrade(bare) is None
    assert revisions.upgrade(bare) == revisions.NEEDED
    with bare.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    revisions.check(bare)


@pytest.mark.parametrize("revision", REVISIONS)
def test_data_outlive_an_upgrade_from_every_earlier_revision(bare: Engine, revision: str) -> None:
    config = alembic_config()
    with writing(bare) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    assert current(bare) == revision
    rows = fill(bare)
    assert revisions.upgrade(bare) == revision
    revisions.check(bare)
    with bare.connect() as connection:
        for name, row in rows.items():
            (found,) = connection.execute(text(f"SELECT * FROM {name}"))
            assert row.items() <= dict(found._mapping).items()


def test_a_database_without_tables_is_refused(bare: Engine) -> None:
    bare.connect().close()
    with pytest.raises(DatabaseError, match=r"has no tables of ours; `.* upgrade` makes them$"):
        revisions.check(bare)


def test_tables_that_are_too_old_are_refused(bare: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    revisions.upgrade(bare)
    # Of a version before the first.
    monkeypatch.setattr(revisions, "REVISIONS", ("0000", *REVISIONS))
    set_revision(bare, "0000")
    with pytest.raises(DatabaseError) as refused:
        revisions.check(bare)
    assert str(refused.value) == (
        f"the database's tables are of revision 0000, and this version needs {revisions.NEEDED}:"
        " run `python -m eeg_letters.database upgrade`"
    )


def test_tables_that_are_too_new_are_refused_and_stay_as_they_are(
    database: str, bare: Engine
) -> None:
    revisions.upgrade(bare)
    set_revision(bare, "9999")
    sentence = (
        f"the database's tables are of revision 9999, which is newer than {revisions.NEEDED}, the"
        " newest that this version knows"
    )
    with pytest.raises(DatabaseError, match=sentence):
        revisions.check(bare)
    assert complaint(run(database, "upgrade"), 2) == sentence
    assert current(bare) == "9999"


@contextmanager
def half_upgrade(database: str) -> Iterator[subprocess.Popen[str]]:
    """An upgrade that has made some of the tables and is not done, killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HALF],
        cwd=ROOT,
        env=environment(ROOT / "no-store", EEG_DATABASE=database),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
            yield process
        finally:
            process.kill()


def test_killed_in_its_middle_an_upgrade_leaves_nothing(database: str, bare: Engine) -> None:
    with half_upgrade(database) as process:
        process.kill()
        process.wait(10)
    assert tables(bare) == set()
    assert succeed(database, "upgrade").endswith(
        f"went from nothing to revision {revisions.NEEDED}\n"
    )
    revisions.check(bare)


def begin_upgrade(database: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line("upgrade"),
        cwd=ROOT,
        env=environment(ROOT / "no-store", EEG_DATABASE=database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_upgrade_waits_for_another(database: str, bare: Engine) -> None:
    with half_upgrade(database) as first:
        second = begin_upgrade(database)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(3)
        first.kill()
        told = second.communicate(timeout=30)
    assert second.returncode == 0, told
    revisions.check(bare)


def test_of_upgrades_at_one_time_one_makes_the_tables(database: str, bare: Engine) -> None:
    processes = [begin_upgrade(database) for _ in range(4)]
    told = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    assert sum("went from nothing" in output for output, _ in told) == 1
    assert sum("already" in output for output, _ in told) == 3
    revisions.check(bare)


def test_a_new_file_of_sqlite_is_opened_by_several_at_one_time(tmp_path: Path) -> None:
    opening = threading.Barrier(6)

    def read(database: Path) -> None:
        engine = open_engine(Settings(database=f"sqlite:///{database}"))
        opening.wait(10)
        try:
            engine.connect().close()
        finally:
            engine.dispose()

    with ThreadPoolExecutor(6) as threads:
        for number in range(30):
            list(threads.map(read, [tmp_path / f"{number}.sqlite"] * 6))
