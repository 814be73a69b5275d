"""The image under test, by `make test-image`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from image.container import Container, running


@pytest.fixture(scope="session")
def engine() -> str:
    return os.environ["EEG_ENGINE"]


@pytest.fixture(scope="session")
def image() -> str:
    return os.environ["EEG_IMAGE"]


@pytest.fixture(scope="session")
def container(engine: str, image: str) -> Iterator[Container]:
    """One container that the tests only look at."""
    with running(engine, image) as container:
        yield container


@pytest.fixture
def mortal(engine: str, image: str) -> Iterator[Container]:
    """A container that a test may end."""
    with running(engine, image) as container:
        yield container


@pytest.fixture(scope="session")
def client(container: Container) -> Iterator[httpx.Client]:
    """An HTTP client of `container`."""
    with httpx.Client(base_url=container.url, timeout=30) as client:
        yield client


def output(*command: str, stdin: str | None = None) -> str:
    """What a command prints."""
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=120, check=True
    ).stdout
