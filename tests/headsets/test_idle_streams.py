"""A headset that is laid aside for an hour: its stream stays open through a proxy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conftest import serve
from tests.serving.live.test_proxies import PROXIES, SECONDS, SPED_UP, stay_idle

HOUR = 3600 / SPED_UP


def test_an_hour_without_a_row_ends_no_stream(trained_home: Path, tmp_path: Path) -> None:
    def stay(name: str, url: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        with PROXIES[name](folder, url) as proxied:
            stay_idle(proxied, HOUR)

    with (
        serve(trained_home, EEG_STREAM_TIMEOUT_SECONDS=str(SECONDS)) as (url, _),
        ThreadPoolExecutor(len(PROXIES)) as threads,
    ):
        for staying in [threads.submit(stay, name, url) for name in PROXIES]:
            staying.result()
