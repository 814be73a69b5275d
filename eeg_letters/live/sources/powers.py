"""Band powers of raw EEG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# In Hz, from and to; as EMOTIV has them, and the usual ones.
BANDS: dict[str, tuple[float, float]] = {
    "delta": (1, 4),
    "theta": (4, 8),
    "alpha": (8, 12),
    "mu": (8, 12),
    "betaL": (12, 16),
    "betaH": (16, 25),
    "beta": (12, 25),
    "gamma": (25, 45),
}
WINDOW_SECONDS = 2


def band_powers(
    eeg: NDArray[np.float64], sampling_rate: float, bands: Sequence[tuple[float, float]]
) -> NDArray[np.float64]:
    """Mean power density in each band, by Welch's method.

    Segments are a second long, so that frequencies are 1 Hz apart, and overlap by half; each has
    its mean subtracted and a Hann window.

    Parameters
    ----------
    eeg : ndarray of float64, shape (n_electrodes, n_samples)
        At least a second, in µV.
    sampling_rate : float
        In Hz.
    bands : sequence of (float, float)
        From and to, in Hz; a frequency between two bands belongs to the upper one.

    Returns
    -------
    ndarray of float64, shape (n_electrodes, n_bands)
        In µV²/Hz.
    """
    from scipy.signal import welch

    frequencies, density = welch(eeg, sampling_rate, window="hann", nperseg=round(sampling_rate))
    return np.stack(
        [
            density[:, (frequencies >= low) & (frequencies < high)].mean(axis=1)
            for low, high in bands
        ],
        axis=1,
    )
