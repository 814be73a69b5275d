"""The image, built twice from one commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer

from eeg_letters import __version__
from tests.conftest import ROOT
from tests.image.conftest import output


@pytest.fixture
def again(engine: str, tmp_path: Path) -> Iterator[str]:
    """The image, built once more in another folder: Bento, packages and bytecode, with no cache."""
    if engine != "podman":
        pytest.skip(f"{engine} writes the time of the build into its layers")
    clone, home = tmp_path / "clone", tmp_path / "home"
    name = "localhost/eeg-letters-again:test"
    # Of the working tree, as the first one.
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".venv", ".cache", "reports"))
    shutil.copytree(BentoMLContainer.model_store_dir.get(), home / "models")
    variables = {**os.environ, "BENTOML_HOME": str(home), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    for command in (
        [sys.executable, "-m", "image.bento", __version__],
        [sys.executable, "-m", "image.build", engine, name, __version__, "no-cache"],
    ):
        done = subprocess.run(
            command, cwd=clone, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    yield name
    output(engine, "rmi", name)


def test_one_commit_makes_one_image(engine: str, image: str, again: str) -> None:
    facts = "{{.Id}} {{.Digest}} {{.RootFS.Layers}}"
    first, second = (
        output(engine, "image", "inspect", "--format", facts, name) for name in (image, again)
    )
    assert first == second
