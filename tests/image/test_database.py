"""The image with a database: its command, and the service, as the Deployment runs them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import httpx
import pytest

from image.container import deployment_options, running

WAIT_SECONDS = 30
TABLES = ("python", "-m", "eeg_letters.database", "upgrade")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kept(url: str) -> list[str]:
    """Ids of the requests whose rows are kept."""
    response = httpx.get(f"{url}/predictions/log", timeout=10)
    assert response.status_code == 200, response.text
    return [entry["request_id"] for entry in response.json()["entries"]]


def test_it_keeps_what_it_answers_in_a_file(engine: str, image: str) -> None:
    options = (
        "--env=EEG_DATABASE=sqlite:////tmp/letters.sqlite",
        "--env=EEG_KEEP_PREDICTIONS=true",
        "--env=EEG_OPEN_FEEDBACK=true",
    )
    # /tmp is a container's own.
    serving = f"{' '.join(TABLES)} && exec python -m eeg_letters.serving"
    with running(engine, image, options, ("sh", "-c", serving)) as container:
        headers = {"x-request-id": "kept"}
        assert httpx.get(f"{container.url}/prediction/232", headers=headers).status_code == 200
        until(lambda: kept(container.url) == ["kept"])
        told = {"request_id": "kept", "label": "E"}
        assert httpx.post(f"{container.url}/feedback", json=told).status_code == 202
        replayed = container.execute("python", "-m", "eeg_letters.database", "replay")
        assert "equal                   1" in replayed
        # With the queue empty; what the component adds to the Deployment's request.
        assert container.resident_megabytes() < 176 * 1.048576


def complaint(engine: str, image: str, address: str, *command: str) -> str:
    """The one sentence with which a container ends."""
    finished = subprocess.run(
        [
            *(engine, "run", "--rm", *deployment_options()),
            *(f"--env=EEG_DATABASE={address}", image, *command),
        ],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert finished.returncode == 1
    (sentence,) = finished.stderr.splitlines()
    return sentence


def test_without_tables_it_ends_with_one_sentence(engine: str, image: str) -> None:
    sentence = complaint(engine, image, "sqlite:////tmp/letters.sqlite")
    assert "python -m eeg_letters.database upgrade" in sentence


@pytest.mark.parametrize("command", ["upgrade", "status", "replay"])
def test_the_command_says_where_no_database_is(engine: str, image: str, command: str) -> None:
    address = "postgresql://eeg:secret@127.0.0.1:1/letters"
    sentence = complaint(engine, image, address, *TABLES[:-1], command)
    assert "127.0.0.1" in sentence
    assert "secret" not in sentence
