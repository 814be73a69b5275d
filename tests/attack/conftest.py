"""A service that is attacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.clients import faults
from tests.conftest import serve


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service prints."""
    return tmp_path_factory.mktemp("attack") / "log"


@pytest.fixture(scope="module")
def url(trained_home: Path, log: Path) -> Iterator[str]:
    """A service with the default settings; nothing of it all is an error of its own."""
    with serve(trained_home, log=log) as (url, _):
        yield url
    assert faults(log) == []
