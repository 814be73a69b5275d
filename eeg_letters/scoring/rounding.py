"""How far rounding can move logits: labels in float32, and labels that no order of sums changes.

For a layer of n inputs, whatever the order of its sums, a computed output differs from the exact
one by at most γ = k u / (1 - k u) times the sum of the magnitudes of its terms, u being the unit
roundoff and k > n the roundings on the way of one term (Higham, Accuracy and Stability of Numerical
Algorithms, 3.1). ReLU moves no two numbers apart. So magnitudes go through the layers as inputs
do, by the absolute weights, and each layer multiplies the error by 1 + γ. In the first layer the
sum of magnitudes is at most the product of two norms (Cauchy-Schwarz): of a row, the bound needs
its norm alone. docs/decisions/0021-float32-labels.md has what it gains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eeg_letters.scoring.scorer import Floats

_SINGLE = 2.0**-24
# Twice its unit roundoff, for the inputs are rounded too: logarithms, or quotients by a norm.
_DOUBLE = 2.0**-52
# Of a term besides the n sums: of its weight, its input and their product; the rest is for
# the computation of the bound itself.
_MORE_ROUNDINGS = 16
# Added to every magnitude. What float32 rounds to a subnormal number or to zero is less than
# 2**-125 away, which is less than a rounding of this.
_LEAST = 2.0**-100
# Rows of a larger norm, and layers with larger numbers, might overflow in float32.
_LARGEST_NORM, _LARGEST_SUM = 1e6, 1e30


class Rounding:
    """Where rounding cannot change which logit of a row is the largest.

    Parameters
    ----------
    weights, biases : sequence of ndarray of float64
        As `eeg_letters.scoring.scorer.Scorer` has them, of shapes that fit.

    Attributes
    ----------
    slope, offset : float
        If two logits of a row differ, in float64, by more than ``slope * norm + offset``, the same
        one is larger in any other order of the sums; the norm is that of the preprocessed row.
    """

    def __init__(self, weights: Sequence[Floats], biases: Sequence[Floats]) -> None:
        # The magnitudes of each output's terms add up to at most slope * norm + offset.
        slope = offset = np.empty(0)
        largest = 0.0
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            magnitudes = np.abs(weight) + _LEAST
            added = np.abs(bias) + len(weight) * _LEAST
            if layer == 0:
                slope = np.linalg.norm(magnitudes, axis=0)
                offset = added + slope * (math.sqrt(len(weight)) * _LEAST)
            else:
                slope, offset = slope @ magnitudes, offset @ magnitudes + added
            largest = max(largest, magnitudes.max(), (slope * _LARGEST_NORM + offset).max())
        # One more, for softmax rounds too.
        sums = np.array([slope.max(), offset.max() + 1])
        single, double = (_relative_error(weights, unit) for unit in (_SINGLE, _DOUBLE))
        # Two logits may be off, and so may those of any other computation in float64.
        self.slope, self.offset = (4 * double * sums).tolist()
        self._single_slope, self._single_offset = ((2 * single + 4 * double) * sums).tolist()
        # One layer takes no less time in float32.
        self._layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        if len(weights) > 1 and largest < _LARGEST_SUM:
            self._layers = [
                (_in_single(weight), bias.astype(np.float32))
                for weight, bias in zip(weights, biases, strict=True)
            ]

    def best(self, inputs: Floats) -> int | None:
        """Index of a row's largest logit, computed in float32.

        Parameters
        ----------
        inputs : ndarray of float64, shape (n_features,)
            What the preprocessing makes of the row.

        Returns
        -------
        int or None
            None where float64 might give another one, or takes no longer.
        """
        if not self._layers or (norm := math.sqrt(inputs.dot(inputs))) > _LARGEST_NORM:
            return None
        *inner, (weight, bias) = self._layers
        signal = inputs.astype(np.float32)
        for inner_weight, inner_bias in inner:
            signal = signal.dot(inner_weight)
            signal += inner_bias
            np.maximum(signal, 0, out=signal)
        logits = signal.dot(weight)
        logits += bias
        best = int(logits.argmax())
        logits.sort()
        margin = self._single_slope * norm + self._single_offset
        return best if logits.item(-1) - logits.item(-2) > margin else None


def _in_single(weight: Floats) -> NDArray[np.float32]:
    # By rows or columns, whichever are longer: the product with one row is faster.
    inputs, outputs = weight.shape
    return np.array(weight, np.float32, order="C" if outputs > inputs else "F")


def _relative_error(weights: Sequence[Floats], unit: float) -> float:
    roundings = (len(weight) + _MORE_ROUNDINGS for weight in weights)
    return math.prod(1 + k * unit / (1 - k * unit) for k in roundings) - 1
