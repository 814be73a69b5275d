"""What is installed has a version and a hash, wherever it is installed from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

LOCKS = sorted(
    [*ROOT.glob("requirements/*.txt"), *ROOT.glob("benchmarks/peers/*/requirements.txt")]
)
NPM_LOCKS = sorted(ROOT.glob("requirements/*/package-lock.json"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_a_lock_has_versions_and_hashes_and_names_no_index(lock: Path) -> None:
    logical = lock.read_text().replace("\\\n", " ").splitlines()
    requirements = [line for line in logical if not line.startswith("#")]
    pinned = re.compile(r"[\w.-]+(\[[\w,-]+\])?==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert requirements
    assert [line for line in requirements if not pinned.fullmatch(line)] == []


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=name)
def test_a_lock_of_npm_has_hashes_and_names_no_index(lock: Path) -> None:
    packages: dict[str, Any] = json.loads(lock.read_text())["packages"]
    installed = {path: package for path, package in packages.items() if path}
    assert installed
    assert [path for path, package in installed.items() if "integrity" not in package] == []
    assert [path for path, package in installed.items() if "resolved" in package] == []


@pytest.mark.parametrize("script", ["Makefile", "benchmarks/environments.py", ".ci/run"])
def test_nothing_is_installed_without_hashes(script: str) -> None:
    text = (ROOT / script).read_text()
    installs = re.findall(
        r'^.*(?:pip install|"pip", "install"|npm (?:ci|i|install)\b).*$', text, re.MULTILINE
    )
    assert [line for line in installs if not re.search("--require-hashes|npm ci", line)] == []
