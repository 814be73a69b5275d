"""Shift of features between two recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import Floats
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.pipelines import find_factor

# Of the median of the training recordings; a power of zero has no logarithm.
_SMALLEST_POWER = 0.001


@dataclass(frozen=True)
class Shift:
    """Features of the test recording against those of the training recording.

    Attributes
    ----------
    features : Features
        What they are.
    training, test : ndarray of float64, shape (n_rows, n_features)
        Decimal logarithms of band powers, none below that of a thousandth of the median of the
        training recordings; other features as they are.
    """

    features: Features
    training: Floats
    test: Floats

    def of_band(self, band: int) -> tuple[Floats, Floats]:
        """All values of a band, by its place, in both recordings."""
        column = self.features.grid[:, band]
        column = column[column >= 0]
        return self.training[:, column].ravel(), self.test[:, column].ravel()

    def of_bands(self) -> list[BandShift]:
        """Over all electrodes, for each of the bands."""
        return [
            BandShift(
                band,
                float(10 ** np.median(training)),
                float(10 ** np.median(test)),
                _distance(training, test),
            )
            for band, (training, test) in (
                (band, self.of_band(place)) for place, band in enumerate(self.features.band_names)
            )
        ]

    def of_features(self) -> list[FeatureShift]:
        """For each of the features, the furthest apart first."""
        spreads = self.training.std(axis=0)
        moves = np.median(self.test, axis=0) - np.median(self.training, axis=0)
        moves = np.divide(moves, spreads, out=np.zeros_like(moves), where=spreads > 0)
        found = [
            FeatureShift(
                name, float(moves[place]), _distance(self.training[:, place], self.test[:, place])
            )
            for place, name in enumerate(self.features.names)
        ]
        return sorted(found, key=lambda feature: -feature.distance)

    def doublings(self) -> Floats:
        """How often the median power doubled; below 0, halved. NaN where there is no feature.

        Shape (n_electrodes, n_bands).
        """
        medians = [np.median(powers, axis=0) for powers in (self.training, self.test)]
        return self.features.on_grid((medians[1] - medians[0]) / np.log10(2))


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


@dataclass(frozen=True)
class FeatureShift:
    """One feature that is no band power.

    Attributes
    ----------
    name : str
        Its column.
    move : float
        By how much its median differs in the test recording, in standard deviations of the
        training recording.
    distance : float
        Kolmogorov-Smirnov statistic, as of `BandShift`.
    """

    name: str
    move: float
    distance: float


def shift(training: Dataset, test: Dataset) -> Shift:
    """Compare two recordings."""
    features = training.schema.features
    if not features.are_powers:
        return Shift(features, training.features, test.features)
    smallest = _SMALLEST_POWER / find_factor(training.features)
    values = (np.log10(np.maximum(powers.features, smallest)) for powers in (training, test))
    return Shift(features, *values)


def _distance(training: Floats, test: Floats) -> float:
    return float(ks_2samp(training, test, method="asymp").statistic)
