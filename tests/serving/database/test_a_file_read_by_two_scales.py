"""A file that was imported by two scales: what was answered keeps to the reading that it is of."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from sqlalchemy import Engine, update

from eeg_letters.database.engine import writing
from eeg_letters.database.importing import add_recording, remove_recording
from eeg_letters.database.tables import predictions
from eeg_letters.scales import Scale
from eeg_letters.settings import SHIPPED
from tests.database.conftest import complaint, run, succeed
from tests.shipped import FEATURES

LINE = 5


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"EEG_KEEP_PREDICTIONS": "true", "EEG_OPEN_FEEDBACK": "true"}


def ask(client: httpx.Client, path: str, request_id: str) -> None:
    """Have a stored row answered, and wait until that is kept."""
    headers = {"x-request-id": request_id}
    assert client.get(path, headers=headers).status_code == 200
    deadline = time.monotonic() + 30
    while client.get(f"/predictions/log/{request_id}").status_code != 200:
        assert time.monotonic() < deadline


def values(client: httpx.Client, request_id: str) -> list[float] | None:
    """The band powers that the log has of a request."""
    (entry,) = client.get(f"/predictions/log/{request_id}").json()["entries"]
    return list(entry["values"].values()) if "values" in entry else None


NAMES = ("equal", "recording gone")


def replayed(database: str, home: Path) -> dict[str, int]:
    """What a replay counts, which must find no difference."""
    told = succeed(database, "replay", home=home)
    counts = {name: re.search(rf"^ *{name} +(\d+)$", told, re.MULTILINE) for name in NAMES}
    return {name: int(found[1]) for name, found in counts.items() if found}


def test_rows_are_given_the_values_of_their_own_reading(
    client: httpx.Client, database: str, engine: Engine, trained_home: Path, tmp_path: Path
) -> None:
    # The file that the service has its stored rows from as well.
    given = client.get(f"/line/{LINE}").json()
    powers = [float(given[name]) for name in FEATURES]
    of_decibels = Scale.DB.to_power(np.array(powers)).tolist()
    add_recording(engine, SHIPPED, "it", scale=Scale.DB)
    ask(client, f"/recordings/it/prediction/{LINE}", "decibels")
    assert values(client, "decibels") == of_decibels
    assert replayed(database, trained_home) == {"equal": 1, "recording gone": 0}

    add_recording(engine, SHIPPED, "it", replace=True)
    assert values(client, "decibels") is None
    assert replayed(database, trained_home) == {"equal": 0, "recording gone": 1}
    output = tmp_path / "out.parquet"
    assert ": 1 recording gone (" in complaint(run(database, "export", output), 2)

    ask(client, f"/recordings/it/prediction/{LINE}", "powers")
    ask(client, f"/prediction/{LINE}", "file")
    add_recording(engine, SHIPPED, "again", scale=Scale.DB)
    assert values(client, "decibels") == of_decibels
    assert values(client, "powers") == values(client, "file") == powers
    assert replayed(database, trained_home) == {"equal": 3, "recording gone": 0}
    succeed(database, "export", output)
    exported = pl.read_parquet(output)
    assert exported["Request"].to_list() == ["decibels", "powers", "file"]
    assert exported.select(FEATURES).to_numpy().tolist() == [of_decibels, powers, powers]

    # Those of powers are still in the file.
    for name in ("it", "again"):
        remove_recording(engine, name)
    assert values(client, "decibels") is None
    assert values(client, "powers") == values(client, "file") == powers
    assert replayed(database, trained_home) == {"equal": 2, "recording gone": 1}

    # As it was kept before it was known which reading it is of.
    with writing(engine) as connection:
        connection.execute(update(predictions).values(recording_scale=None))
    assert values(client, "powers") is None
    assert replayed(database, trained_home) == {"equal": 0, "recording gone": 3}
