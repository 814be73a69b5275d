"""The page at / in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


def test_it_shows_a_row_and_what_both_models_say(
    browser: str, server: str, client: httpx.Client, tmp_path: Path
) -> None:
    line = 232
    finished = subprocess.run(
        [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            "--dump-dom",
            f"{server}/#{line}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in finished.stderr
    rows = [list(map(float, list(client.get(f"/line/{line}").json().values())[2:]))]
    (prediction,) = client.post("/predict", json={"rows": rows}).json()["predictions"]
    for title, answer in prediction.items():
        assert title in finished.stdout
        assert f"{max(answer['probabilities']):.1%}".replace("%", "&nbsp;%") in finished.stdout
    for score in client.get("/score").json().values():
        assert f"{score:.1%}".replace("%", "&nbsp;%") in finished.stdout


def test_nothing_but_its_own_script_may_run(client: httpx.Client) -> None:
    policy = client.get("/", headers={"accept": "text/html"}).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
