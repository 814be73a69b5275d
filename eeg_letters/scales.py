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

    def from_power(self, powers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Powers on this scale, so that `to_power` gives them again but for rounding.

        The logarithm of no power is that of the smallest float above 0, which is finite.
        """
        if self is Scale.POWER:
            return powers
        logarithms: NDArray[np.float64] = np.log10(np.maximum(powers, _SMALLEST))
        return logarithms if self is Scale.LOG10 else 10 * logarithms


_SMALLEST = float(np.finfo(np.float64).smallest_subnormal)


def all_stand_for_powers(values: NDArray[np.float64], scale: Scale | None) -> bool:
    """Whether values are band powers of 0 or more, or logarithms of finite ones.

    Parameters
    ----------
    values : ndarray of float64
        Finite.
    scale : Scale or None
        Theirs; without one anything goes.
    """
    if scale is None or not values.size:
        return True
    if scale is Scale.POWER:
        return bool(values.item(values.argmin()) >= 0)
    return bool(np.isfinite(scale.to_power(values)).all())
