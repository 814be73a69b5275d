"""Nothing that a file holds, or is, kills a run or changes a number."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.batch.test_command import (
    SECONDS,
    WRITERS,
    Row,
    command,
    complaint,
    half_way,
    read,
    read_rejects,
    rows,
    run,
    succeed,
    write_csv,
    write_json_lines,
    write_table,
)
from tests.conftest import ROOT, environment

__all__ = ["rows"]  # A fixture.

EXACT = [0, 2**53 + 1, 2**63 - 1]


def with_lines(rows: Sequence[Row], lines: Sequence[Any]) -> list[Row]:
    return [{**row, "Line": line} for row, line in zip(rows, lines, strict=False)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("form", WRITERS)
def test_line_numbers_come_out_as_they_went_in(
    trained_home: Path, tmp_path: Path, rows: list[Row], form: str, ending: str
) -> None:
    source = WRITERS[form](tmp_path / f"in.{form}", with_lines(rows, EXACT))
    target = tmp_path / f"out.{ending}"
    succeed(trained_home, source, target)
    assert [int(row["Line"]) for row in read(target)] == EXACT


def test_floats_that_are_whole_are_line_numbers(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    lines = [0.0, 7.0, 2.0**52]
    for write in (write_csv, write_json_lines, write_table):
        source = write(tmp_path / "in", with_lines(rows, lines))
        succeed(trained_home, source, tmp_path / "out.csv")
        assert [int(row["Line"]) for row in read(tmp_path / "out.csv")] == [0, 7, 2**52]


@pytest.mark.parametrize(
    ("line", "forms"),
    [
        (-1, ["csv", "jsonl", "parquet"]),
        (2**63, ["csv", "jsonl"]),
        (2.0**53, ["jsonl", "parquet"]),
        (1.5, ["csv", "jsonl", "parquet"]),
        ("1e999999999", ["csv", "jsonl"]),
        ("nan", ["csv", "jsonl"]),
        ("", ["csv", "jsonl"]),
        ("1_0", ["csv", "jsonl"]),
        (True, ["jsonl"]),
    ],
)
def test_what_is_no_whole_number_of_64_bits_is_a_bad_row(
    trained_home: Path, tmp_path: Path, rows: list[Row], line: Any, forms: list[str]
) -> None:
    lines = [float(5), line] if isinstance(line, float) else [5, line]
    for form in forms:
        source = WRITERS[form](tmp_path / f"in.{form}", with_lines(rows, lines))
        target = tmp_path / f"{form}.csv"
        succeed(trained_home, source, target, "--on-error", "skip")
        assert [int(row["Line"]) for row in read(target)] == [5]
        (rejected,) = read_rejects(target)
        assert rejected["reason"].startswith("column Line: ")


@pytest.mark.parametrize("where", ["number", "label", "kept", "end"])
def test_a_nul_byte_is_a_bad_row(
    trained_home: Path, tmp_path: Path, rows: list[Row], where: str
) -> None:
    bad = {"number": "O1/alpha", "label": "# Letter", "kept": "note", "end": "note"}[where]
    table: list[Row] = [{**row, "note": "x"} for row in rows[:20]]
    table[11][bad] = "\0" if where == "end" else f"{table[11][bad]}\0"
    source = write_csv(tmp_path / "in.csv", table)
    target = tmp_path / "out.csv"
    sentence = complaint(run(trained_home, source, target, "--keep", "note"))
    assert sentence.endswith("in.csv, line 13, a NUL byte in the line")
    succeed(trained_home, source, target, "--keep", "note", "--on-error", "skip")
    assert len(read(target)) == 19
    assert [row["where"] for row in read_rejects(target)] == [f"{source}, line 13"]


def test_a_nul_byte_in_the_header_is_named(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    source = write_csv(tmp_path / "in.csv", rows[:3])
    source.write_bytes(source.read_bytes().replace(b"Cz/theta", b"Cz/\0theta"))
    sentence = complaint(run(trained_home, source, tmp_path / "out.csv"))
    assert sentence.endswith("in.csv, line 1: a NUL byte in the line")


def test_a_name_that_is_not_utf_8_is_escaped(
    trained_home: Path, tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/x\xff.csv")
    write_csv(Path(strange), [*rows[:3], {**rows[3], "O1/alpha": "?"}])
    target = tmp_path / "out.csv"
    succeed(trained_home, f"{tmp_path}/x?.csv", target, "--on-error", "skip")
    escaped = f"{tmp_path}/x\\xff.csv"
    assert {row["File"] for row in read(target)} == {escaped}
    assert [row["where"] for row in read_rejects(target)] == [f"{escaped}, line 5"]
    said = succeed(trained_home, strange, tmp_path / "*.parquet", "--on-error", "skip")
    assert "out.parquet" not in said
    assert Path(strange).with_suffix(".parquet").exists()


def test_a_pipe_is_read_where_it_is_named_and_no_pattern_takes_it(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sentence = complaint(run(trained_home, tmp_path / "pip?", tmp_path / "out.csv"))
    assert sentence.endswith("pipe: a pipe, which no pattern takes; name it by itself")
    for write, ends_well in ((write_csv, True), (write_table, False)):
        source = write(tmp_path / "in", rows[:3])
        feeder = subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", source, pipe])
        try:
            finished = run(trained_home, pipe, tmp_path / "out.csv")
        finally:
            feeder.kill()
            feeder.wait()
        if ends_well:
            assert finished.returncode == 0
            assert len(read(tmp_path / "out.csv")) == 3
        else:
            assert complaint(finished).endswith("Parquet is read from a file, not from a pipe")


def test_damaged_parquet_ends_in_one_sentence_or_well(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    good = write_table(tmp_path / "good", rows[:3]).read_bytes()
    footer = int.from_bytes(good[-8:-4], "little")
    # Of the footer, of which the library panics at some, and of the columns before it.
    places = [*range(len(good) - 8 - footer, len(good) - 8, footer // 8), 40, len(good) // 4]
    source, failures = tmp_path / "in", 0
    for place in places:
        source.write_bytes(good[:place] + b"\xff" * 4 + good[place + 4 :])
        finished = run(trained_home, source, tmp_path / "out.csv")
        if finished.returncode:
            failures += 1
            assert complaint(finished).startswith(f"eeg_letters.batch: {source}")
        else:
            assert finished.stderr == b""
    assert failures > 1


def running(home: Path, source: str | Path, target: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(source, target),
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_killed_worker_costs_the_file_that_it_had_and_no_other(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    source = write_csv(tmp_path / "a.csv", rows * 100)
    write_csv(tmp_path / "b.csv", rows)
    process = running(trained_home, tmp_path / "?.csv", tmp_path / "*.parquet")
    deadline = time.monotonic() + SECONDS
    while not any(path.name.startswith(".a.parquet") for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline
    while not (workers := psutil.Process(process.pid).children()):
        assert time.monotonic() < deadline
    workers[0].kill()
    try:
        _, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 1
    assert (
        errors.decode()
        == f"eeg_letters.batch: {source}: a worker process was killed; is memory short?\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "b.parquet"]
    assert len(read(tmp_path / "b.parquet")) == len(rows)


def test_a_killed_parent_leaves_no_workers(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    with half_way(trained_home, tmp_path / "out.parquet", rows) as process:
        workers = psutil.Process(process.pid).children()
        assert workers
        os.kill(process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=SECONDS)
    assert alive == []


def test_a_nul_byte_elsewhere_than_in_csv(
    trained_home: Path, tmp_path: Path, rows: list[Row]
) -> None:
    source = write_json_lines(tmp_path / "in.jsonl", rows[:5])
    source.write_bytes(source.read_bytes().replace(b'"Line":13', b'"Line":1\0'))
    sentence = complaint(run(trained_home, source, tmp_path / "out.csv"))
    assert "in.jsonl, line 2, not JSON" in sentence
    kept = write_table(tmp_path / "in.parquet", [{**row, "note": "a\0b"} for row in rows[:5]])
    succeed(trained_home, kept, tmp_path / "out.csv", "--keep", "note")
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == ["a\0b"] * 5
