"""Shift of band powers between two recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from eeg_letters.recordings.recording import Recording
from eeg_letters.schema import BANDS, ELECTRODES
from eeg_letters.scoring.scorer import Floats

# Recordings have three decimals; a power of zero has no logarithm.
SMALLEST_POWER = 0.001


@dataclass(frozen=True)
class Shift:
    """Band powers of the test recording against those of the training recording.

    Attributes
    ----------
    training, test : ndarray of float64, shape (n_rows, 32, 5)
        Decimal logarithms of the band powers, none below that of `SMALLEST_POWER`.
    """

    training: Floats
    test: Floats

    def of_bands(self) -> list[BandShift]:
        """Over all electrodes, for each of the bands."""
        return [
            BandShift(
                band,
                float(10 ** np.median(training)),
                float(10 ** np.median(test)),
                float(ks_2samp(training, test, method="asymp").statistic),
            )
            for band, training, test in (
                (band, self.training[..., place].ravel(), self.test[..., place].ravel())
                for place, band in enumerate(BANDS)
            )
        ]

    def doublings(self) -> Floats:
        """How often the median doubled, by electrode and band, shape (32, 5); below 0, halved."""
        medians = [np.median(powers, axis=0) for powers in (self.training, self.test)]
        doublings: Floats = (medians[1] - medians[0]) / np.log10(2)
        return doublings


@dataclass(frozen=True)
class BandShift:
    """One band over all electrodes.

    Attributes
    ----------
    band : str
        One of `BANDS`.
    training, test : float
        Median power, in the unit of the recordings (µV²).
    distance : float
        Kolmogorov-Smirnov statistic, the largest gap between the two cumulative distributions: 0
        where they are the same, 1 where they do not overlap.
    """

    band: str
    training: float
    test: float
    distance: float

    @property
    def factor(self) -> float:
        """Median of the test recording by that of the training recording."""
        return self.test / self.training


def shift(training: Recording, test: Recording) -> Shift:
    """Compare two recordings."""
    return Shift(*(_log_powers(recording) for recording in (training, test)))


def _log_powers(recording: Recording) -> Floats:
    powers = recording.band_powers.reshape(-1, len(ELECTRODES), len(BANDS))
    logs: Floats = np.log10(np.maximum(powers, SMALLEST_POWER))
    return logs
