"""The shift between two recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.report.shift import shift
from tests.shipped import BANDS, ELECTRODES, FEATURES


def test_a_shift_at_one_electrode_shows_only_there() -> None:
    training = read_recording(DATA / "train.csv")
    powers = training.features.copy()
    powers[:, FEATURES.index("Oz/alpha")] *= 2
    doublings = shift(
        Dataset((training,)), Dataset((replace(training, features=powers),))
    ).doublings()
    expected = np.zeros((len(ELECTRODES), len(BANDS)))
    expected[ELECTRODES.index("Oz"), BANDS.index("alpha")] = 1
    np.testing.assert_allclose(doublings, expected, atol=1e-9)


def test_recordings_that_do_not_overlap_are_as_far_apart_as_can_be() -> None:
    training = read_recording(DATA / "train.csv")
    higher = replace(training, features=training.features * 1e6)
    for band in shift(Dataset((training,)), Dataset((higher,))).of_bands():
        assert band.distance == 1
        assert band.factor == pytest.approx(1e6)


def test_powers_of_zero_are_no_trouble() -> None:
    training = read_recording(DATA / "train.csv")
    silent = replace(training, features=np.zeros_like(training.features))
    assert np.isfinite(shift(Dataset((training,)), Dataset((silent,))).doublings()).all()


def test_the_unit_does_not_count() -> None:
    training, test = (read_recording(DATA / name) for name in ("train.csv", "test.json"))
    volts = [replace(one, features=one.features * 1e-12) for one in (training, test)]
    found = shift(*(Dataset((one,)) for one in volts)).doublings()
    expected = shift(Dataset((training,)), Dataset((test,))).doublings()
    np.testing.assert_allclose(found, expected, atol=1e-9)
