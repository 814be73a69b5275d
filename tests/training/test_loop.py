"""From answers over feedback to better models: the loop that README.md has."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from eeg_letters.database.engine import open_engine
from eeg_letters.database.revisions import upgrade
from eeg_letters.settings import DATA, read_settings
from tests.conftest import ROOT, environment, run_train, select_rows, serve
from tests.shipped import SCHEMA

# Few letters and rows: both models are trained in some seconds.
LETTERS = (0, 7, 12, 24)
# Labelled rows of each letter of the new session.
LABELLED = 10


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a database of the test's own, with its tables."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path / 'letters.sqlite'}"
    else:
        made = request.getfixturevalue("postgresql_server").create()
    engine = open_engine(read_settings({"EEG_DATABASE": made}))
    upgrade(engine)
    engine.dispose()
    return made


def new_session() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The first rows of each letter of another session, and the rest, as `/line` answers them.

    Somebody has plugged the electrodes in the other way round.
    """
    stored = json.loads((DATA / "test.json").read_text())
    labelled: list[dict[str, str]] = []
    rest: list[dict[str, str]] = []
    for letter in LETTERS:
        rows = [
            {**row, **dict(zip(SCHEMA.features.names, reversed(powers_of(row)), strict=True))}
            for row in stored.values()
            if row["# Letter"] == str(letter)
        ]
        labelled += rows[:LABELLED]
        rest += rows[LABELLED:]
    return labelled, rest


def powers_of(row: dict[str, str]) -> list[str]:
    return [row[name] for name in SCHEMA.features.names]


def share_right(url: str, rows: list[dict[str, str]]) -> float:
    """Of some rows, the share that LDA labels rightly."""
    answers = predict(url, rows).json()["predictions"]
    right = [
        str(answer["LDA"]["label"]) == row["# Letter"]
        for answer, row in zip(answers, rows, strict=True)
    ]
    return sum(right) / len(right)


def predict(url: str, rows: list[dict[str, str]], **headers: str) -> httpx.Response:
    response = httpx.post(f"{url}/predict", json={"rows": rows}, headers=headers, timeout=30)
    assert response.status_code == 200, response.text
    return response


def test_a_service_that_is_wrong_about_a_session_learns_it_from_feedback(
    tmp_path: Path, address: str
) -> None:
    home, adapted = tmp_path / "home", tmp_path / "adapted"
    training = select_rows(tmp_path / "session1.csv", LETTERS, slice(0, 20))
    test = tmp_path / "rest.json"
    labelled, rest = new_session()
    test.write_text(json.dumps({row["Line"]: row for row in rest}))
    finished = run_train(home, "--train", training, "--test", test)
    assert finished.returncode == 0, finished.stderr
    settings = {
        "EEG_DATABASE": address,
        "EEG_KEEP_PREDICTIONS": "true",
        "EEG_OPEN_FEEDBACK": "true",
        "EEG_TEST_DATA": str(test),
    }
    with serve(home, log=tmp_path / "log", **settings) as (url, _):
        before = share_right(url, rest)
        response = predict(url, labelled, **{"x-session-id": "today"})
        told: list[dict[str, Any]] = [
            {
                "request_id": response.headers["x-request-id"],
                "row": place,
                "label": chr(ord("A") + int(row["# Letter"])),
            }
            for place, row in enumerate(labelled)
        ]
        accepted = httpx.post(f"{url}/feedback", json=told, timeout=30)
        assert accepted.status_code == 202, accepted.text
        of_labelled = httpx.get(f"{url}/accuracy").json()["models"]["LDA"]
        assert of_labelled["rows"] == len(labelled)
    exported = tmp_path / "today.parquet"
    subprocess.run(
        [sys.executable, "-m", "eeg_letters.database", "export", exported, "--labelled"],
        cwd=ROOT,
        env=environment(home, EEG_DATABASE=address),
        check=True,
        timeout=60,
    )
    shutil.copytree(home, adapted)
    finished = run_train(adapted, "--train", training, "--adapt", exported, "--test", test)
    assert finished.returncode == 0, finished.stderr
    with serve(adapted, log=tmp_path / "log", **settings) as (url, _):
        after = share_right(url, rest)
        versions = httpx.get(f"{url}/accuracy?by=version").json()["models"]["LDA"]["groups"]
        assert len(versions) == 1, "what was answered before is by the version that answered"
    assert before < 0.5
    assert after > before + 0.3
