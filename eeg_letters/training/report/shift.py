"""Shift of band powers between two recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from eeg_letters.recordings.recording import Recording
from eeg_letters.scoring.scorer import Floats

# Recordings have three decimals; a power of zero has no logarithm.
SMALLEST_POWER = 0.001


@dataclass(frozen=True)
class Shift:
    """Band powers of the test recording against those of the training recording.

    Attributes
    ----------
    training, test : ndarray of float64, shape (n_rows, n_electrodes, n_bands)
        Decimal logarithms of the band powers, none below that of `SMALLEST_POWER`.
    bands : tuple of str
        Names of the bands.
    """

    training: Floats
    test: Floats
    bands: tuple[str, ...]

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
                for place, band in enumerate(self.bands)
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
        Its name.
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
    bands = training.schema.features.band_names
    return Shift(_log_powers(training), _log_powers(test), bands)


def _log_powers(recording: Recording) -> Floats:
    powers = recording.features[:, recording.schema.features.grid]
    logs: Floats = np.log10(np.maximum(powers, SMALLEST_POWER))
    return logs
