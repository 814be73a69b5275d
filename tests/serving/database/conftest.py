"""Services with a database: SQLite in one file, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from eeg_letters.database.engine import open_engine
from eeg_letters.database.revisions import upgrade
from eeg_letters.settings import read_settings
from tests.conftest import serve_process


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a database of the module's own, with its tables."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path_factory.mktemp('database') / 'letters.sqlite'}"
    else:
        address = request.getfixturevalue("postgresql_server").create()
    engine = engine_of(address)
    upgrade(engine)
    engine.dispose()
    return address


def engine_of(address: str) -> Engine:
    """An engine as the service has one."""
    return open_engine(read_settings({"EEG_DATABASE": address}))


@pytest.fixture(scope="module")
def engine(database: str) -> Iterator[Engine]:
    """To look into the database, and to write into it, while it is served."""
    engine = engine_of(database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Settings of the service besides the database; for modules to override."""
    return {}


@pytest.fixture(scope="module")
def service(
    bento: Path, database: str, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Base URL and log of a service of the Bento with the database."""
    log = tmp_path_factory.mktemp("log") / "stdout"
    with serve_process(bento, log, EEG_DATABASE=database, **settings) as (url, _):
        yield url, log


@pytest.fixture(scope="module")
def client(service: tuple[str, Path]) -> Iterator[httpx.Client]:
    """An HTTP client of `service`."""
    with httpx.Client(base_url=service[0], timeout=30) as client:
        yield client
