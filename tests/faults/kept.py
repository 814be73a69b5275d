"""What is in a database after a fault."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import select

from eeg_letters.database.engine import open_engine
from eeg_letters.database.revisions import upgrade
from eeg_letters.database.tables import predictions
from eeg_letters.settings import Settings
from tests.conftest import samples, serve_process


def make_tables(address: str) -> str:
    """Bring a database up to date; gives its address."""
    engine = open_engine(Settings(database=address))
    upgrade(engine)
    engine.dispose()
    return address


@contextmanager
def keeping(
    bento: Path, address: str, **settings: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A service, as the image starts it, that keeps what it answers."""
    settings |= {"EEG_DATABASE": address, "EEG_KEEP_PREDICTIONS": "true"}
    with serve_process(bento, None, **settings) as served:
        yield served


def rows_by_request(address: str) -> Counter[str]:
    """How many rows of each request are kept; none may be there twice."""
    engine = open_engine(Settings(database=address))
    wanted = select(predictions.c.request_id, predictions.c.row)
    with engine.connect() as connection:
        found = [tuple(record) for record in connection.execute(wanted)]
    engine.dispose()
    assert len(set(found)) == len(found)
    return Counter(request_id for request_id, _ in found)


def metric(url: str, name: str) -> float:
    """A metric without labels, of a service."""
    with httpx.Client(base_url=url, timeout=10) as client:
        return samples(client)[name, frozenset()]
