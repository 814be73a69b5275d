"""Installs the service for the whole run and removes it afterwards, come what may."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import ROOT, Cluster, RefusedError, chosen_context
from .load import fetch


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave this directory out unless it is named: a run of all tests must not touch a cluster."""
    here = Path(__file__).parent
    start = config.invocation_params.dir
    named = [(start / argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(here) for path in named) else True


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The service, installed, with all its pods serving."""
    try:
        context = chosen_context(os.environ)
    except RefusedError as refusal:
        pytest.exit(str(refusal), returncode=2)
    overlay = os.environ.get("E2E_OVERLAY") or "k8s/overlays/local"
    cluster = Cluster(context, str(ROOT / overlay))
    try:
        cluster.install()
        yield cluster
    finally:
        cluster.uninstall()


@pytest.fixture(scope="session")
def url(cluster: Cluster) -> str:
    """Where the service is reached from outside, once it answers there."""
    url = (os.environ.get("E2E_URL") or cluster.ingress_url()).rstrip("/")
    deadline = time.monotonic() + 120
    pause = threading.Event()
    while (found := answer(url)) != "status 200":
        if time.monotonic() > deadline:
            pytest.fail(f"{url}/ does not answer: {found}")
        pause.wait(0.5)
    return url


def answer(url: str) -> str:
    """What a controller that may not know the route yet says."""
    try:
        return f"status {fetch(f'{url}/').status}"
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
