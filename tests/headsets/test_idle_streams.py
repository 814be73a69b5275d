"""A headset that is laid aside for an hour: its stream stays open through a proxy."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import serve
from tests.serving.live.test_proxies import EACH_PROXY, SECONDS, SPED_UP, Proxy, stay_idle


@EACH_PROXY
def test_an_hour_without_a_row_ends_no_stream(
    trained_home: Path, tmp_path: Path, proxy: Proxy
) -> None:
    with (
        serve(trained_home, EEG_STREAM_TIMEOUT_SECONDS=str(SECONDS)) as (url, _),
        proxy(tmp_path, url) as proxied,
    ):
        stay_idle(proxied, 3600 / SPED_UP)
