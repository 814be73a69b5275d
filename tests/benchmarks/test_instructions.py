"""What `make test-speed` makes of Callgrind's counts, and of a clone that lacks something."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import instructions
from benchmarks.counted import STAGES, requests
from benchmarks.instructions import (
    CannotCount,
    check_out,
    find_base,
    grown,
    read_counts,
    table,
    verdict,
)
from tests.conftest import ROOT, environment

DUMP = "events: Ir\nfn=(1)\n1 5\nsummary: {}\n"
MISSING = "ImportError: cannot import name 'RowParser'"


def git(folder: Path, *command: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *identity, *command], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / "sub").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "clone")
    for text in ("first", "second"):
        (folder / "sub" / "file").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", text)
    return folder


def test_what_grows_by_more_than_the_limit_is_named_with_how_to_accept_it() -> None:
    before = {"start": 1000.0, "a stage": 100.0, "another": 100.0}
    after = {"start": 1029.0, "a stage": 103.1, "another": 50.0}
    assert grown(before, after) == ["a stage"]
    said = verdict(before, after)
    assert re.search(
        r"more instructions: a stage\..*accept.*git rev-parse HEAD.*accepted-speed", said
    )


def test_what_shrinks_is_named_so_that_it_can_be_kept() -> None:
    assert "fewer instructions: a stage" in verdict({"a stage": 100.0}, {"a stage": 90.0})
    assert verdict({"a stage": 100.0}, {"a stage": 101.0}).startswith("Nothing takes more")


def test_a_stage_that_the_earlier_tree_lacks_is_shown_as_new_and_not_compared() -> None:
    dumps = [DUMP.format(5000), DUMP.format(1)]
    before = read_counts([("start", 1, ""), ("a stage", 100, MISSING)], dumps, is_this=False)
    assert before == {"start": 5000.0}
    after = read_counts([("start", 1, ""), ("a stage", 100, "")], dumps, is_this=True)
    assert after == {"start": 5000.0, "a stage": 0.01}
    assert grown(before, after) == []
    assert list(table(before, after, "0" * 40).columns[3].cells) == ["+0.0 %", "new"]


def test_a_stage_that_this_tree_lacks_is_an_error() -> None:
    with pytest.raises(CannotCount, match="a stage cannot be counted: ImportError"):
        read_counts([("a stage", 100, MISSING)], [DUMP.format(1)], is_this=True)


def test_the_files_of_the_accepted_commit_are_written_out(clone: Path, tmp_path: Path) -> None:
    first = find_base(clone, git(clone, "rev-parse", "HEAD~1"))
    check_out(clone, first, tmp_path / "earlier")
    assert (tmp_path / "earlier" / "sub" / "file").read_text() == "first"
    assert git(clone, "worktree", "list").count("\n") == 0


def test_a_commit_that_a_shallow_clone_lacks_is_named(clone: Path, tmp_path: Path) -> None:
    accepted = git(clone, "rev-parse", "HEAD~1")
    git(tmp_path, "clone", "--quiet", "--depth", "1", clone.as_uri(), "shallow")
    with pytest.raises(CannotCount, match=f"^the accepted commit {accepted[:12]} .* --unshallow"):
        find_base(tmp_path / "shallow", accepted)


def test_without_valgrind_or_models_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCount, match=r"^valgrind must be installed\.$"):
        instructions.check_tools()
    (tmp_path / "valgrind").write_text("#!/bin/sh\n")
    (tmp_path / "valgrind").chmod(0o755)
    with pytest.raises(CannotCount, match="`make models` trains"):
        instructions.check_tools()


def test_every_stage_and_request_can_be_counted_in_this_tree(
    trained_home: Path, tmp_path: Path
) -> None:
    # Without Callgrind, whose marks are calls that do nothing else.
    told = tmp_path / "told.json"
    subprocess.run(
        [sys.executable, "-P", str(ROOT / "benchmarks" / "counted.py"), str(told)],
        cwd=ROOT,
        env=environment(trained_home),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    counted = json.loads(told.read_text())
    assert [(name, reason) for name, _, reason in counted if reason] == []
    assert len(counted) == 1 + len(requests()) + len(STAGES)
