"""`python -m eeg_letters.database` as its user runs it: what it prints, and its exit statuses."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, func, select, text

from eeg_letters.database import revisions
from eeg_letters.database.engine import open_engine, writing
from eeg_letters.database.importing import add_recording
from eeg_letters.database.tables import predictions, recording_rows, recordings
from eeg_letters.settings import SHIPPED, Settings
from tests.conftest import ROOT, environment, free_port, select_rows
from tests.database.conftest import Keeping, command_line, complaint, run, succeed

UPGRADE = "`python -m eeg_letters.database upgrade`"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two recordings."""
    return [
        str(select_rows(tmp_path / f"session{number}.csv", (number, 9), slice(number + 2)))
        for number in range(2)
    ]


def imported(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = connection.execute(select(recordings.c.name, recordings.c.n_rows))
        return {row.name: row.n_rows for row in found}


def count_kept(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(predictions)).scalar_one()


@pytest.mark.usefixtures("engine")
def test_recordings_come_and_go(database: str, files: list[str]) -> None:
    told = succeed(database, "import", *files, "--name", "subject-*")
    assert told.splitlines() == [
        f"subject-session0: 4 rows of {files[0]}",
        f"subject-session1: 6 rows of {files[1]}",
    ]
    assert succeed(database, "import", files[0], "--name", "subject-session0") == (
        "subject-session0: there already\n"
    )
    assert succeed(database, "import", files[0]) == f"session0: 4 rows of {files[0]}\n"
    message = complaint(run(database, "import", files[1], "--name", "session0"), 2)
    assert message.startswith(f"{files[1]}: the recording session0 in the database is another")
    succeed(database, "import", files[1], "--name", "session0", "--replace")
    assert "3 with 16 rows" in succeed(database, "status")
    assert succeed(database, "remove", "session0") == "session0: removed\n"
    message = complaint(run(database, "remove", "session0"), 2)
    assert message == "session0: there is no such recording in the database"


def test_a_file_that_is_bad_does_not_keep_the_others_out(
    database: str, engine: Engine, files: list[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("# Letter,Cz/theta\n0,1\n1,x\n")
    finished = run(database, "import", bad, *files)
    assert finished.returncode == 2
    assert finished.stderr == (
        f"eeg_letters.database: {bad}, line 3, column Cz/theta: 'x' is not a number\n"
    )
    assert imported(engine) == {"session0": 4, "session1": 6}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("{0}", "{1}", "--name", "a"), "--name a: with several files it needs a *, whose place"),
        (("{0}", "--name", "a/b"), "{0}: 'a/b' is no name of a recording: letters and digits"),
        (("{0}", "{0}"), "{0} and {0} are both session0"),
        (("nowhere.csv",), "nowhere.csv: there is no such file"),
        (("{0}", "--label", "Event"), "{0}, line 1, column Event: the column is missing"),
    ],
)
def test_what_cannot_be_imported_is_told(
    database: str, engine: Engine, files: list[str], arguments: tuple[str, ...], sentence: str
) -> None:
    finished = run(database, "import", *(each.format(*files) for each in arguments))
    assert complaint(finished, 2).startswith(sentence.format(*files))
    assert imported(engine) == {}


def test_label_and_scale_are_those_that_are_named(
    database: str, engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Event,Cz/theta\nleft,-3\nright,10\n")
    succeed(database, "import", path, "--label", "Event", "--scale", "dB")
    with engine.connect() as connection:
        entry = connection.execute(select(recordings)).one()
        powers = connection.execute(select(recording_rows.c.powers)).scalars().all()
    assert entry.label_column == "Event"
    assert '"scale":"dB"' in entry.schema
    assert len(powers) == 2


def test_the_status_tells_what_is_there(database: str, keeping: Keeping) -> None:
    add_recording(keeping.engine, SHIPPED, "shipped")
    rows = keeping.inference.rows[0].reshape(1, -1)
    keeping.rows("a", rows, at=1_782_900_000_000_000)
    keeping.rows("b", rows, at=1_782_900_060_000_000)
    with writing(keeping.engine) as connection:
        connection.execute(text("UPDATE predictions SET true_class = 1 WHERE request_id = 'a'"))
    lines = succeed(database, "status").splitlines()
    told = {line[:16].strip(): line[16:] for line in lines}
    address = told.pop("database")
    assert address.split(":")[0] == database.split(":")[0]
    assert float(told.pop("size").removesuffix(" MB")) > 1
    assert told == {
        "tables": f"revision {revisions.NEEDED}, as needed",
        "recordings": "1 with 1,300 rows",
        "rows kept": "2",
        "with feedback": "1",
        "oldest": "2026-07-01T10:00:00.000000Z",
        "newest": "2026-07-01T10:01:00.000000Z",
    }


def test_without_tables_nothing_is_done(database: str, files: list[str]) -> None:
    for arguments, status in (
        (["status"], 1),
        (["import", *files], 2),
        (["replay"], 2),
        (["prune", "--older-than", "1d"], 2),
    ):
        assert UPGRADE in complaint(run(database, *arguments), status)
    assert succeed(database, "upgrade").endswith(f"to revision {revisions.NEEDED}\n")
    assert succeed(database, "upgrade").endswith(f"of revision {revisions.NEEDED} already\n")
    succeed(database, "import", *files)


@contextmanager
def running(database: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command_line(*arguments),
        cwd=ROOT,
        env=environment(ROOT / "no-store", EEG_DATABASE=database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_it_waits_for_the_tables(database: str) -> None:
    with running(database, "status", "--wait", "60") as process:
        assert process.stderr is not None
        # It says what it waits for.
        assert UPGRADE in process.stderr.readline()
        succeed(database, "upgrade")
        output, errors = process.communicate(timeout=20)
    # Between the two an SQLite file may be there without tables.
    assert process.returncode == 0
    assert all(UPGRADE in line for line in errors.splitlines())
    assert "as needed" in output


def test_it_does_not_wait_for_ever(database: str) -> None:
    begun = time.monotonic()
    assert UPGRADE in complaint(run(database, "status", "--wait", "2"), 1)
    assert time.monotonic() - begun >= 2


def test_it_does_not_wait_for_tables_that_are_too_new(database: str, engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    # A run that waited would be killed before.
    message = complaint(run(database, "status", "--wait", "3600"), 1)
    assert "of revision 9999, which is newer than" in message


@pytest.mark.parametrize("with_session", [True, False])
def test_predictions_are_deleted(database: str, keeping: Keeping, with_session: bool) -> None:
    rows = keeping.inference.rows[0].reshape(1, -1).repeat(3, axis=0)
    now = time.time_ns() // 1000
    keeping.rows("old", rows, at=now - 3 * 3_600_000_000, session="s2")
    keeping.rows("new", rows[:2], at=now, session="s1")
    keeping.rows("new without", rows[:2], at=now)
    if with_session:
        assert succeed(database, "prune", "--session", "s2' OR '1'='1") == "0 rows deleted\n"
        assert succeed(database, "prune", "--session", "s1") == "2 rows deleted\n"
        assert count_kept(keeping.engine) == 5
        return
    assert succeed(database, "prune", "--older-than", "1d") == "0 rows deleted\n"
    assert succeed(database, "prune", "--older-than", "90m") == "3 rows deleted\n"
    assert count_kept(keeping.engine) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("prune",),
        ("prune", "--older-than", "1d", "--session", "a"),
        ("prune", "--older-than", "soon"),
        ("prune", "--older-than", "30"),
        ("replay", "--since", "yesterday"),
        ("export", "out.csv", "--since", "2026-13-01"),
        ("status", "--wait", "-1"),
        ("import",),
        ("import", "x.csv", "--scale", "log2"),
    ],
)
def test_arguments_that_cannot_be_understood_end_it_with_2(arguments: tuple[str, ...]) -> None:
    finished = run("sqlite:///nowhere.sqlite", *arguments)
    assert finished.returncode == 2
    assert "usage:" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    "command", ["", "upgrade", "status", "import", "remove", "export", "replay", "prune"]
)
def test_there_is_help(command: str) -> None:
    assert "usage: python -m eeg_letters.database" in succeed("", *command.split(), "--help")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "mysql://root:hunter2@host/x",
        # The driver would take what follows the first @ for the host, and tell it.
        "postgresql://root:pass@hunter2@127.0.0.1/x",
        "postgresql://root:pass@hunter2/@127.0.0.1/x",
        "postgresql://root:hunter2@database..example/x",
    ],
)
def test_without_an_address_it_says_what_to_set(address: str) -> None:
    message = complaint(run(address, "status"), 2)
    assert "EEG_DATABASE" in message
    assert "hunter2" not in message


def test_a_database_that_is_away_ends_it_with_1(tmp_path: Path, files: list[str]) -> None:
    address = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/letters"
    for arguments in (["upgrade"], ["status"], ["import", *files], ["prune", "--session", "a"]):
        message = complaint(run(address, *arguments), 1)
        assert message.startswith(address.replace("hunter2", "***") + ": ")
        assert "hunter2" not in message
    nowhere = f"sqlite:///{tmp_path}/none/letters.sqlite"
    assert "there is no folder" in complaint(run(nowhere, "upgrade"), 2)


def test_no_room_for_a_temporary_file_ends_it_with_1(database: str) -> None:
    succeed(database, "upgrade")
    # Room for the tables, and not for the rows.
    command = ["prlimit", "--fsize=1000000", *command_line("import", SHIPPED)]
    finished = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(ROOT / "no-store", EEG_DATABASE=database),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "rows cannot be put into a temporary file" in complaint(finished, 1)


def test_the_address_may_be_in_a_file(database: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{database}\n")
    finished = run("", "upgrade", EEG_DATABASE_FILE=str(secret))
    assert finished.returncode == 0, finished.stderr
    succeed(database, "status")


def await_connection(process: subprocess.Popen[str]) -> None:
    """Wait until a command has opened its database, be it a file or a socket."""
    seen, deadline = psutil.Process(process.pid), time.monotonic() + 30
    while not seen.net_connections("all") and not any(
        file.path.endswith(".sqlite") for file in seen.open_files()
    ):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(database: str, engine: Engine, stop: signal.Signals) -> None:
    # It waits for another that imports a recording of the name.
    other = open_engine(Settings(database=database))
    try:
        with writing(other) as connection:
            entry = dict.fromkeys(("sha256", "schema", "columns", "label_column"), "x")
            connection.execute(
                recordings.insert().values(name="test", imported_at=0, n_rows=0, n_bytes=0, **entry)
            )
            with running(database, "import", str(SHIPPED)) as process:
                await_connection(process)
                process.send_signal(stop)
                _, errors = process.communicate(timeout=20)
            connection.rollback()
    finally:
        other.dispose()
    assert process.returncode == 130
    assert errors == "eeg_letters.database: interrupted, nothing unfinished is left\n"
    assert imported(engine) == {}
