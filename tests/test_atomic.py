"""Files appear whole or not at all, and no other file is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eeg_letters.atomic import atomic_write
from eeg_letters.errors import OutputError


def test_a_file_appears_whole_with_the_usual_mode(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.csv"
    before = os.umask(0o027)
    try:
        with atomic_write(target) as temporary:
            temporary.write_text("a")
            assert not target.exists()
    finally:
        os.umask(before)
    assert target.read_text() == "a"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(target.parent.iterdir()) == [target]


def test_a_link_in_place_of_the_temporary_file_changes_no_other_file(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text("secret")
    private.chmod(0o600)
    folder = tmp_path / "shared"
    writing = atomic_write(folder / "out.csv")
    temporary = writing.__enter__()
    temporary.unlink()
    temporary.symlink_to(private)
    with pytest.raises(OutputError, match="was exchanged"):
        writing.__exit__(None, None, None)
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_text() == "secret"
    assert list(folder.iterdir()) == []


def test_only_what_a_killed_run_left_behind_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    others = {".out.csv.settings.csv", ".out.csv.partial-ABCDEFGH.csv", ".out.csv.partial-abc.csv"}
    left = tmp_path / ".out.csv.partial-a1_b2c3d.csv"
    for name in (*others, left.name):
        (tmp_path / name).touch()
    with atomic_write(target) as temporary:
        temporary.write_text("a")
    assert {path.name for path in tmp_path.iterdir()} == {target.name, *others}
