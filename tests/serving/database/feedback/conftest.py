"""A service that keeps what it answers, in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from eeg_letters.database.revisions import upgrade
from tests.conftest import serve
from tests.serving.database.conftest import engine_of
from tests.shipped import SCHEMA

ROW = [round(0.5 + 0.01 * place, 2) for place in range(len(SCHEMA.features))]
OPEN = {"EEG_OPEN_FEEDBACK": "true"}


def with_tables(address: str) -> str:
    """The address of an empty database that has got its tables."""
    engine = engine_of(address)
    upgrade(engine)
    engine.dispose()
    return address


@dataclass(frozen=True)
class Service:
    """A service, its database, and what it prints."""

    client: httpx.Client
    engine: Engine
    log: Path

    def predict(self, n_rows: int = 1, session: str | None = None, **headers: str) -> str:
        """Have rows answered; gives the request's id."""
        if session is not None:
            headers["x-session-id"] = session
        rows = [[value + number for value in ROW] for number in range(n_rows)]
        response = self.client.post("/predict", json={"rows": rows}, headers=headers)
        assert response.status_code == 200, response.text
        return response.headers["x-request-id"]

    def tell(self, *told: dict[str, Any]) -> httpx.Response:
        """Send feedback, one piece as it is, several as a list."""
        return self.client.post("/feedback", json=told[0] if len(told) == 1 else told)

    def entries(self, request_id: str) -> list[dict[str, Any]]:
        """What the log has of a request that was told of, or asked of, before."""
        response = self.client.get(f"/predictions/log/{request_id}")
        assert response.status_code == 200, response.text
        return response.json()["entries"]


@contextmanager
def serving(home: Path, address: str, log: Path, **settings: str) -> Iterator[Service]:
    """Serve with a database until the block ends, keeping what is answered."""
    settings = {"EEG_DATABASE": address, "EEG_KEEP_PREDICTIONS": "true", **settings}
    engine = engine_of(address)
    with serve(home, log=log, **settings) as (url, _), httpx.Client(base_url=url) as client:
        client.timeout = 30
        yield Service(client, engine, log)
    engine.dispose()


@pytest.fixture(scope="module")
def service(
    trained_home: Path, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that anybody may ask."""
    log = tmp_path_factory.mktemp("service") / "log"
    with serving(trained_home, database, log, **OPEN) as service:
        yield service
