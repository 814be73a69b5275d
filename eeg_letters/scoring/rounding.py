"""How far rounding can move logits and distances: what float32 tells, and no order of sums changes.

A term of a layer of n inputs goes through n sums and a few roundings more, k in all, whatever the
order of the sums; each multiplies it by 1 + δ with |δ| at most u, the unit roundoff. So a computed
output differs from the exact one by at most exp(k u) - 1 times the sum of the magnitudes of its
terms (Higham, Accuracy and Stability of Numerical Algorithms, chapter 3). ReLU moves no two numbers
apart. So the magnitudes go through the layers as the inputs do, by the absolute weights, and the
exponents of the layers add up. In the first layer, the sum of magnitudes is at most the product of
two norms (Cauchy-Schwarz): of a row, the bound needs its norm alone. What this gains:
docs/decisions/0021-float32-labels.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eeg_letters.scoring.scorer import Floats

_SINGLE = 2.0**-24
# Twice its unit roundoff, for the inputs are rounded too: logarithms, or quotients by a norm.
_DOUBLE = 2.0**-52
# Besides the n sums: of weight, input and product; the rest is for computing the bound itself.
_MORE_ROUNDINGS = 16
# Added to every magnitude. What float32 rounds to a subnormal number or to zero is less than
# 2**-125 away, which is less than a rounding of this.
_LEAST = 2.0**-100
# A number, or one of each row.
Some = TypeVar("Some", float, "Floats")
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
    single_slope, single_offset : float
        The same of logits in float32, compared with those in float64.
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
        roundings = sum(len(weight) + _MORE_ROUNDINGS for weight in weights)
        single, double = (math.expm1(roundings * unit) for unit in (_SINGLE, _DOUBLE))
        # Two logits may be off, and so may those of any other computation in float64.
        self.slope, self.offset = (4 * double * sums).tolist()
        self.single_slope, self.single_offset = ((2 * single + 4 * double) * sums).tolist()
        self._layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        if largest < _LARGEST_SUM:
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
            None where float64 might give another one.
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
        margin = self.single_slope * norm + self.single_offset
        return best if logits.item(-1) - logits.item(-2) > margin else None


class SquareRounding:
    """How far rounding can move the squared distance of a row to the nearest of some points.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n_inputs, n_inputs + n_points)
        Of a row, the square is that of the first part of its product with this, with the bias
        added, and the least number of the second part.
    bias : ndarray of float64, shape (n_inputs + n_points,)
        Added to the product.
    """

    def __init__(self, matrix: Floats, bias: Floats) -> None:
        self._width = width = len(matrix)
        magnitudes = np.abs(matrix) + _LEAST
        added = np.abs(bias) + width * _LEAST
        lengths = np.linalg.norm(magnitudes, axis=0)
        added += lengths * (math.sqrt(width) * _LEAST)
        # The magnitudes of the terms of the first part, as a vector, and of each number of the
        # second add up to at most slope * norm + offset.
        self._slope, self._offset = math.hypot(*lengths[:width]), math.hypot(*added[:width])
        self._least_slope = float(lengths[width:].max())
        self._least_offset = float(added[width:].max())
        # Those of the square's own sum are at most as many. The square in float64 is off, too.
        single, double = (math.expm1((width + _MORE_ROUNDINGS) * u) for u in (_SINGLE, _DOUBLE))
        self._error = single + 2 * double
        reach = self._slope * _LARGEST_NORM + self._offset
        largest = reach * reach + self._least_slope * _LARGEST_NORM + self._least_offset
        self._single: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        if largest < _LARGEST_SUM:
            self._single = _in_single(matrix), bias.astype(np.float32)

    def is_within(self, inputs: Floats, most: float) -> bool | None:
        """Whether the square of one row is at most `most`, computed in float32.

        Parameters
        ----------
        inputs : ndarray of float64, shape (n_inputs,)
            What the preprocessing makes of the row.
        most : float
            The largest square.

        Returns
        -------
        bool or None
            None where float64 might find something else.
        """
        if self._single is None or not (norm := math.sqrt(inputs.dot(inputs))) <= _LARGEST_NORM:
            return None
        matrix, bias = self._single
        signal = inputs.astype(np.float32).dot(matrix)
        signal += bias
        whitened, rest = signal[: self._width], signal[self._width :]
        length = float(whitened.dot(whitened))
        # Of few numbers, argmin takes a third of the time of a reduction.
        beyond = length + rest.item(rest.argmin()) - most
        margin = self._margin(norm, length, math.sqrt(length))
        return beyond <= 0 if abs(beyond) > margin else None

    def are_within(
        self, inputs: Floats, most: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """As `is_within`, of many rows.

        Parameters
        ----------
        inputs : ndarray of float64, shape (n_rows, n_inputs)
            What the preprocessing makes of rows.
        most : float
            The largest square.

        Returns
        -------
        ndarray of bool, shape (n_rows,)
            Whether the square of each row is at most that.
        ndarray of int64
            Places of the rows of which float64 might find something else.
        """
        if self._single is None:
            return np.zeros(len(inputs), np.bool_), np.arange(len(inputs))
        matrix, bias = self._single
        # What is too large for float32 is found by its norm.
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.sqrt(np.einsum("ij,ij->i", inputs, inputs))
            signal = inputs.astype(np.float32).dot(matrix)
            signal += bias
            whitened, rest = signal[:, : self._width], signal[:, self._width :]
            lengths = np.einsum("ij,ij->i", whitened, whitened).astype(np.float64)
            beyond = lengths + rest.min(axis=1) - most
            margins = self._margin(norms, lengths, np.sqrt(lengths))
            sure = (np.abs(beyond) > margins) & (norms <= _LARGEST_NORM)
        return beyond <= 0, np.flatnonzero(~sure)

    def _margin(self, norm: Some, length: Some, root: Some) -> Some:
        # | |a|² - |b|² | <= |a - b| (|a| + |b|), and |b| <= |a| + |a - b|.
        apart = self._error * (self._slope * norm + self._offset)
        summed = length + self._least_slope * norm + self._least_offset + _LEAST
        return apart * (2 * root + apart) + self._error * summed


def order_of(shape: Sequence[int]) -> Literal["C", "F"]:
    """How weights are laid out so that products with few rows are fast: along their longer axis.

    Parameters
    ----------
    shape : sequence of int
        Inputs and outputs.
    """
    inputs, outputs = shape
    return "C" if outputs > inputs else "F"


def _in_single(weight: Floats) -> NDArray[np.float32]:
    single = np.array(weight, np.float32, order=order_of(weight.shape))
    # Subnormal weights, as of units that training has switched off, take ten times as long.
    single[np.abs(single) < np.finfo(np.float32).smallest_normal] = 0
    return single
