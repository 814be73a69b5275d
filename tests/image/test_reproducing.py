"""The image, built twice from one commit."""

from __future__ import annotations

import json
import os
import re
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
def home(engine: str, tmp_path: Path) -> Path:
    """A ``BENTOML_HOME`` with the models under test."""
    if engine != "podman":
        pytest.skip(f"{engine} writes the time of the build into its layers")
    shutil.copytree(BentoMLContainer.model_store_dir.get(), tmp_path / "home" / "models")
    return tmp_path / "home"


@pytest.fixture
def again(engine: str, home: Path, tmp_path: Path) -> Iterator[str]:
    """The image, built once more in another folder: Bento, packages and bytecode, with no cache."""
    clone, name = tmp_path / "clone", "localhost/eeg-letters-again:test"
    # Of the working tree, as the first one.
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".venv", ".cache", "reports"))
    build(engine, name, "no-cache", clone=clone, home=home, PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    yield name
    output(engine, "rmi", name)


@pytest.fixture
def of_another_time(engine: str, home: Path) -> Iterator[str]:
    """The image as of another time, built with what the engine's cache has of `image`."""
    name = "localhost/eeg-letters-of-another-time:test"
    build(engine, name, home=home, SOURCE_DATE_EPOCH="1600000000")
    yield name
    output(engine, "rmi", name)


def build(
    engine: str, name: str, *options: str, home: Path, clone: Path = ROOT, **variables: str
) -> None:
    """Build Bento and image of a clone into a store of their own."""
    for command in (
        [sys.executable, "-m", "image.bento", __version__],
        [sys.executable, "-m", "image.build", engine, name, __version__, *options],
    ):
        done = subprocess.run(
            command,
            cwd=clone,
            env={**os.environ, "BENTOML_HOME": str(home), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_one_commit_makes_one_image(engine: str, image: str, again: str) -> None:
    facts = "{{.Id}} {{.Digest}} {{.RootFS.Layers}}"
    first, second = (
        output(engine, "image", "inspect", "--format", facts, name) for name in (image, again)
    )
    assert first == second


@pytest.mark.usefixtures("image")
def test_no_instruction_of_another_time_is_taken_from_the_cache(
    engine: str, of_another_time: str
) -> None:
    template = (ROOT / "image" / "Dockerfile.j2").read_text()
    (named,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", template, re.MULTILINE)
    base = os.environ.get("BASE_IMAGE") or named
    of_base, of_image = (
        json.loads(output(engine, "image", "inspect", "--format", "{{json .History}}", name))
        for name in (base, of_another_time)
    )
    times = {instruction["created"] for instruction in of_image[len(of_base) :]}
    assert times == {"2020-09-13T12:26:40Z"}
