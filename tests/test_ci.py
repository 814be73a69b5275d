"""What `.ci/run` asks of the machine it runs on, with make and all tools replaced by scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

NOTE = '#!/bin/sh\necho "$(basename "$0") $* $EEG_REAL_RECORDINGS" >> "$CALLS"\n'
# No engine answers, and no package is there.
TOOLS = {
    "make": NOTE,
    "apt-get": NOTE,
    "docker": "#!/bin/sh\nexit 1\n",
    "podman": "#!/bin/sh\nexit 1\n",
}
SYSTEM_TOOLS = ("bash", "basename", "dirname", "sed", "sh", "timeout")


class Clone:
    """A clone of `.ci` and the Dockerfile alone; the folder beside it looks like the landing's."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.shared = folder / "shared"
        self.calls = folder / "calls"
        self.tools = folder / "tools"
        shutil.copytree(ROOT / ".ci", self.root / ".ci")
        (self.root / "image").mkdir()
        shutil.copy(ROOT / "image" / "Dockerfile.j2", self.root / "image")
        (self.shared / "eeg").mkdir(parents=True)
        (self.shared / "local-base-image.sh").write_text('echo "stand-in $1" >> "$CALLS"\n')
        self.tools.mkdir()
        for name, text in TOOLS.items():
            self.write(self.tools / name, text)
        for name in SYSTEM_TOOLS:
            (self.tools / name).symlink_to(shutil.which(name) or name)
        self.write(
            self.root / ".venv" / "bin" / "python",
            '#!/bin/sh\necho "python $*" >> "$CALLS"\n[ "$2" != image.audit ] || exit "$AUDIT"\n',
        )

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, audit: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / ".ci" / "run"],
            env={
                "PATH": str(self.tools),
                "CALLS": str(self.calls),
                "AUDIT": str(audit),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.mark.parametrize("part", ["eeg", "local-base-image.sh"])
def test_a_run_of_ones_own_looks_at_nothing_outside_the_clone(clone: Clone, part: str) -> None:
    (clone.shared / part).rename(clone.shared / "something-else")
    done = clone.run()
    assert done.returncode == 0, done.stderr
    calls = clone.calls.read_text()
    assert "make test-image" in calls
    assert str(clone.shared) not in calls
    assert "stand-in" not in calls
    assert "apt-get" not in calls
    assert "Not installed, so not tested with: chromium" in done.stdout


def test_what_is_asked_of_a_run_is_done(clone: Clone, tmp_path: Path) -> None:
    setup = tmp_path / "setup.sh"
    setup.write_text('echo "mine $1" >> "$CALLS"\n')
    shutil.rmtree(clone.shared)
    done = clone.run(EEG_BASE_IMAGE_SETUP=str(setup), EEG_REAL_RECORDINGS="/recordings")
    assert done.returncode == 0, done.stderr
    calls = clone.calls.read_text()
    assert "make test COVERAGE=1 /recordings" in calls
    assert "mine docker.io/library/python:" in calls


def test_the_landing_has_its_recordings_and_a_base_image_without_a_registry(clone: Clone) -> None:
    done = clone.run()
    assert done.returncode == 0, done.stderr
    calls = clone.calls.read_text()
    assert f"make test COVERAGE=1 {clone.shared / 'eeg'}" in calls
    # A stand-in has no digest.
    assert re.search(r"stand-in docker\.io/library/python:[\w.-]+$", calls, re.MULTILINE)
    assert "apt-get install" in calls


def test_instructions_are_counted_where_valgrind_is(clone: Clone) -> None:
    assert clone.run().returncode == 0
    assert "make test-speed" not in clone.calls.read_text()
    clone.write(clone.tools / "valgrind", NOTE)
    assert clone.run().returncode == 0
    assert "make test-speed" in clone.calls.read_text()


def test_an_audit_that_could_not_look_is_tolerated_and_told_last(clone: Clone) -> None:
    done = clone.run(audit=3)
    assert done.returncode == 0
    assert "not everything could be looked up" in done.stdout.splitlines()[-1]


def test_a_finding_fails(clone: Clone) -> None:
    assert clone.run(audit=1).returncode == 1
    assert "image.audit" in clone.calls.read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
