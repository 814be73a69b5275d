"""Whatever is in a variable of the Makefile, a command gets it as it is, and nothing else runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

NASTY = [
    "two words",
    "it's",
    'a "b"',
    "$(touch touched)",
    "$$(touch touched)",
    "`touch touched`",
    "x; touch touched",
    "x & touch touched",
    "x | touch touched",
    "x' ; touch touched ; '",
    'x" ; touch touched ; "',
    "x > touched",
    "a&b|c\\1/d",
    "${HOME} #~ * ?",
]
# Writes down how it was called, in place of Python, BentoML and whatever else is asked for.
RECORDER = """#!{python}
import json, os, sys
names = "EEG_TEST_DATA EEG_ALLOWED_HOSTS EEG_IMAGE EEG_ENGINE BASE_IMAGE QUICK SECONDS".split()
with open("calls", "a") as file:
    called = {{name: os.environ.get(name, "") for name in names}}
    print(json.dumps([sys.argv[1:], called]), file=file)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile in a folder where every command but the shell's is the recorder."""
    folder = tmp_path / "project"
    (folder / "eeg_letters").mkdir(parents=True)
    (folder / "k8s" / "base").mkdir(parents=True)
    for name in ("Makefile", "eeg_letters/__init__.py", "k8s/base/kustomization.yaml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for environment in (".venv", ".cache/sbom", ".cache/bench/runner"):
        for command in ("python", "bentoml"):
            recorder = folder / environment / "bin" / command
            recorder.parent.mkdir(parents=True, exist_ok=True)
            recorder.write_text(RECORDER.format(python=sys.executable))
            recorder.chmod(0o755)
    return folder


def run(project: Path, target: str, *variables: str) -> list[tuple[list[str], dict[str, str]]]:
    """Make a target, as if what it is made from were there; returns the calls."""
    ready = [".venv/train.done", ".venv/test.done", ".cache/sbom.done", ".cache/bench/runner.done"]
    done = subprocess.run(
        ["make", *(part for name in ready for part in ("-o", name)), target, *variables],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(project.rglob("touched*")), "a part of the value was run"
    calls = [json.loads(line) for line in (project / "calls").read_text().splitlines()]
    return [(arguments, called) for arguments, called in calls]


@pytest.mark.parametrize("value", NASTY)
def test_training_gets_the_names_as_they_are(project: Path, value: str) -> None:
    names = ("TRAIN", "ADAPT", "TEST", "LABEL")
    *_, (arguments, _) = run(project, "train", *(f"{name}={value}" for name in names))
    assert arguments == ["train.py", *(f"--{name.lower()}={value}" for name in names)]


@pytest.mark.parametrize("value", NASTY)
def test_serving_gets_the_names_as_they_are(project: Path, value: str) -> None:
    *_, (arguments, called) = run(
        project, "serve", f"TEST={value}", f"HOST={value}", f"PORT={value}"
    )
    assert arguments == ["serve", "service:EEGLetters", "--host", value, "--port", value]
    assert called["EEG_TEST_DATA"] == value
    assert called["EEG_ALLOWED_HOSTS"] == f"localhost,127.0.0.1,[::1],{value}"


@pytest.mark.parametrize("value", NASTY)
def test_a_source_is_followed_as_it_is_named(project: Path, value: str) -> None:
    named = (f"SOURCE={value}", f"HOST={value}", f"PORT={value}")
    *_, (arguments, _) = run(project, "live", *named)
    assert arguments == ["-m", "eeg_letters.live", value, f"ws://{value}:{value}/live"]


@pytest.mark.parametrize("value", NASTY)
def test_the_image_is_built_of_the_names_as_they_are(project: Path, value: str) -> None:
    variables = [f"{name}={value}" for name in ("IMAGE", "VERSION", "TEST", "BASE_IMAGE")]
    calls = run(project, "test-image", *variables, "ENGINE=it's; touch touched")
    engine, image = "it's; touch touched", f"{value}:{value}"
    arguments = [arguments for arguments, _ in calls]
    assert ["-m", "image.bento", value, value] in arguments
    assert ["-m", "image.build", engine, image, value] in arguments
    assert ["-m", "image.sbom", engine, image, f"dist/eeg-letters-{value}.cdx.json"] in arguments
    assert ["-m", "image.measure", engine, image] in arguments
    (built,) = [called for arguments, called in calls if "image.build" in arguments]
    assert built["BASE_IMAGE"] == value
    assert calls[-1][1]["EEG_IMAGE"] == image
    assert calls[-1][1]["EEG_ENGINE"] == engine


@pytest.mark.parametrize("value", NASTY)
def test_measurements_get_the_values_as_they_are(project: Path, value: str) -> None:
    assert run(project, "soak", f"SECONDS={value}")[-1][1]["SECONDS"] == value
    assert run(project, "bench", f"QUICK={value}")[-1][1]["QUICK"] == value


@pytest.mark.parametrize("value", [*NASTY, "1.2", "1.2.3\n4.5.6", "1.2.3;touch touched", "01.2.3a"])
def test_a_version_is_three_numbers(project: Path, value: str) -> None:
    before = (project / "eeg_letters" / "__init__.py").read_bytes()
    done = subprocess.run(
        ["make", "version", f"VERSION={value}"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "is not three numbers" in done.stderr
    assert not list(project.rglob("touched*"))
    assert (project / "eeg_letters" / "__init__.py").read_bytes() == before


def test_a_version_is_set_everywhere(project: Path) -> None:
    subprocess.run(
        ["make", "version", "VERSION=12.3.40"], cwd=project, check=True, capture_output=True
    )
    assert '__version__ = "12.3.40"' in (project / "eeg_letters" / "__init__.py").read_text()
    manifest = (project / "k8s" / "base" / "kustomization.yaml").read_text()
    assert set(re.findall(r"(?:newTag|app.kubernetes.io/version): (.*)", manifest)) == {"12.3.40"}
