"""Band powers of signals whose powers are known."""

from __future__ import annotations

import numpy as np
import pytest

from eeg_letters.live.sources.powers import BANDS, band_powers

USUAL = [BANDS[name] for name in ("theta", "alpha", "betaL", "betaH", "gamma")]


@pytest.mark.parametrize("rate", [125, 128, 250, 256, 500])
def test_a_sine_has_half_its_amplitude_squared_over_the_width_of_its_band(rate: int) -> None:
    times = np.arange(2 * rate) / rate
    amplitudes = {6: 10.0, 10: 5.0, 14: 2.0, 20: 3.0, 35: 1.0}
    waves = [a * np.sin(2 * np.pi * f * times + f) for f, a in amplitudes.items()]
    # Electrodes are off by a constant, which may be thousands of times what they measure.
    powers = band_powers(np.array([np.sum(waves, axis=0) + 5000, waves[1]]), rate, USUAL)
    widths = [high - low for low, high in USUAL]
    expected = [a**2 / 2 / width for a, width in zip(amplitudes.values(), widths, strict=True)]
    np.testing.assert_allclose(powers[0], expected, rtol=1e-6)
    np.testing.assert_allclose(powers[1], [0, expected[1], 0, 0, 0], atol=1e-9)


def test_white_noise_has_its_density_in_each_band() -> None:
    rate, density = 250, 0.04
    noise = np.random.default_rng(1).normal(0, np.sqrt(density * rate / 2), (400, 2 * rate))
    powers = band_powers(noise, rate, USUAL)
    np.testing.assert_allclose(powers.mean(axis=0), density, rtol=0.05)


def test_no_frequency_is_in_two_of_the_usual_bands() -> None:
    times = np.arange(500) / 250
    for edge in (8, 12, 16, 25):
        eeg = np.sin(2 * np.pi * edge * times)[None]
        parts = band_powers(eeg, 250, USUAL)[0] * [high - low for low, high in USUAL]
        assert parts.sum() == pytest.approx(0.5, rel=0.01)
