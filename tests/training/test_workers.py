"""Processes that fit models."""

from __future__ import annotations

import os

import pytest

from eeg_letters.errors import OutputError, RecordingError
from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.workers import Workers, results


@pytest.fixture(scope="module")
def recording() -> Dataset:
    return Dataset((read_recording(DATA / "train.csv"),))


def process(training: Dataset, _: Dataset, factor: int) -> tuple[int, int]:
    return os.getpid(), factor * len(training.labels)


def refuse(*_: Dataset) -> None:
    raise RecordingError("no")


def die(*_: Dataset) -> None:
    os._exit(9)


def test_functions_of_both_recordings_are_called_in_other_processes(recording: Dataset) -> None:
    with Workers(recording, recording) as workers:
        found = results([workers.submit(process, factor) for factor in range(20)])
    assert [rows for _, rows in found] == [1300 * factor for factor in range(20)]
    assert os.getpid() not in {pid for pid, _ in found}


def test_an_error_is_that_of_the_function(recording: Dataset) -> None:
    with (
        Workers(recording, recording) as workers,
        pytest.raises(RecordingError, match="no"),
    ):
        results([workers.submit(refuse)])


def test_a_process_that_is_killed_ends_in_one_sentence(recording: Dataset) -> None:
    with (
        pytest.raises(OutputError, match="a process was killed while it fitted models"),
        Workers(recording, recording) as workers,
    ):
        results([workers.submit(die)])
