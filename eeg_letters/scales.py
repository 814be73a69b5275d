"""Scales: what the values of band powers are, and how they become powers."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Scale(StrEnum):
    """What a table's values are: powers, or logarithms of powers.

    ``dB`` is ten times the logarithm to base ten.
    """

    POWER = "power"
    LOG10 = "log10"
    DB = "dB"

    def to_power(self, given: Any) -> NDArray[np.float64]:
        """Values as powers, in the unit whose logarithm they are; infinite where one is too large.

        Parameters
        ----------
        given : float or ndarray of float64
            On this scale.
        """
        values: NDArray[np.float64] = np.asarray(given, np.float64)
        if self is Scale.POWER:
            return values
        with np.errstate(over="ignore", under="ignore"):
            powers: NDArray[np.float64] = np.power(
                10.0, values if self is Scale.LOG10 else values / 10
            )
        return powers
