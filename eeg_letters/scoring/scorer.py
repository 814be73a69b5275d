"""The compiled scorer: a fitted pipeline as plain NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from eeg_letters.scoring.arrays import read_arrays
from eeg_letters.scoring.rounding import Rounding, order_of

Floats = NDArray[np.float64]

# Divided by a number and multiplied by it again it is no larger than the largest float.
LARGEST_PRODUCT = float(np.finfo(np.float64).max) * (1 - 2.0**-52)
# scikit-learn's Normalizer leaves a row of a smaller norm as it is.
_SMALLEST_NORM = 10 * float(np.finfo(np.float64).eps)
# With what is less, or more than one over it, products might overflow or vanish.
SMALLEST_FACTOR = 1e-100
# More than log1p makes of any number, and than a row of unit length has.
_LARGEST_INPUT = 710.0
# Of such inputs; of what is larger, products and exponentials may be infinite.
_LARGEST_SCORE = 1e100


def total_norm(rows: Floats) -> float:
    """Euclidean norm of all rows as one, infinite if it overflows."""
    return math.sqrt(np.vdot(rows, rows))


def _row_norms(rows: Floats) -> Floats:
    norms: Floats = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return norms


def log1p_of(rows: Floats, factor: float) -> Floats:
    """Logarithm of one plus each band power times a factor, or that of the largest float."""
    scaled = rows * factor if factor <= 1 else np.minimum(rows, LARGEST_PRODUCT / factor) * factor
    logarithms: Floats = np.log1p(scaled, out=scaled)
    return logarithms


def _l2(rows: Floats, factor: float) -> Floats:
    smallest = _SMALLEST_NORM / factor
    if rows.ndim == 1:
        norm = math.sqrt(rows.dot(rows))
        return rows / norm if norm >= smallest else rows * factor
    norms = _row_norms(rows)
    norms[norms < smallest] = 1 / factor
    normalised: Floats = rows / norms[:, np.newaxis]
    return normalised


def _standardise(rows: Floats, _: float) -> Floats:
    # Means and standard deviations are part of the first layer.
    return rows


# Functions that are applied to a row before the first layer, by name; they are also given the
# factor of `Scorer`.
PREPROCESSING: dict[str, Callable[[Floats, float], Floats]] = {
    "log1p": log1p_of,
    "l2": _l2,
    "standardise": _standardise,
}


@dataclass(frozen=True)
class Scorer:
    """Preprocessing, dense layers with ReLU between them, softmax.

    Linear discriminant analysis is one layer, a multi-layer perceptron several. The temperature
    that calibrates the probabilities is part of the last layer.

    Attributes
    ----------
    preprocessing : str
        Name in `PREPROCESSING` of what is applied to a row before the first layer.
    factor : float
        What band powers are multiplied by first: one over the median of those of the training, so
        that their unit does not count. 1 where features are no band powers.
    classes : ndarray of int64, shape (n_classes,)
        Index in the schema's labels of each class that it was trained on, ascending.
    weights : sequence of ndarray of float64, each of shape (n_inputs, n_outputs)
        Weights of each layer, the first one of ``n_features`` inputs, the last one of
        ``n_classes`` outputs.
    biases : sequence of ndarray of float64, each of shape (n_outputs,)
        Bias of each layer.
    """

    preprocessing: str
    factor: float
    classes: NDArray[np.int64]
    weights: Sequence[Floats]
    biases: Sequence[Floats]

    def predict(self, rows: Floats) -> NDArray[np.int64]:
        """Classes of rows, as indexes in the schema's labels.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features) or (n_features,)
            Finite, in the order of the schema's features; no band power is negative.

        Returns
        -------
        ndarray of int64, shape (n_rows,), or int64 for a single row
        """
        inputs = self.prepare(rows)
        if rows.ndim == 2:
            return self.choose(rows, total_norm(inputs), _below_largest(self._logits(inputs)))
        return self.predict_prepared(inputs)

    def prepare(self, rows: Floats) -> Floats:
        """What the first layer takes of rows; the same for scorers with the same `recipe`."""
        return PREPROCESSING[self.preprocessing](rows, self.factor)

    @property
    def recipe(self) -> tuple[str, float]:
        """What `prepare` depends on."""
        return self.preprocessing, self.factor

    def predict_prepared(self, inputs: Floats) -> NDArray[np.int64]:
        """Class of one row, as `predict` gives it.

        Parameters
        ----------
        inputs : ndarray of float64, shape (n_features,)
            What `prepare` makes of the row.
        """
        # One layer takes no less time in float32.
        best = self._rounding.best(inputs) if len(self.weights) > 1 else None
        label: NDArray[np.int64] = self.classes[
            self._logits(inputs).argmax() if best is None else best
        ]
        return label

    def predict_proba(self, rows: Floats) -> Floats:
        """Probability of each of `classes`.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features) or (n_features,)
            As `predict` takes them.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_classes) or (n_classes,)
            Each row sums to 1.
        """
        return _softmax(_below_largest(self.logits(rows)))

    def classify(self, rows: Floats) -> tuple[NDArray[np.int64], Floats]:
        """What `predict` and `predict_proba` give, computed once."""
        return self.classify_prepared(rows, self.prepare(rows))

    def classify_prepared(self, rows: Floats, inputs: Floats) -> tuple[NDArray[np.int64], Floats]:
        """As `classify`, of rows of which it is known what `prepare` makes of them."""
        below = _below_largest(self._logits(inputs))
        if rows.ndim == 2:
            return self.choose(rows, total_norm(inputs), below), _softmax(below)
        label: NDArray[np.int64] = self.classes[below.argmax()]
        return label, _softmax(below)

    def logits(self, rows: Floats) -> Floats:
        """Logits: their softmax is what `predict_proba` gives.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features) or (n_features,)
            As `predict` takes them.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_classes) or (n_classes,)
        """
        return self._logits(self.prepare(rows))

    def choose(self, rows: Floats, norm: float, below: Floats) -> NDArray[np.int64]:
        """Classes of rows whose logits are known, as `predict` gives them to each row by itself.

        Sums of many rows are taken in another order than those of one. Where this might change
        which logit is the largest, the row is scored again by itself.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            As `predict` takes them.
        norm : float
            At least that of what the preprocessing makes of any of the rows.
        below : ndarray of float64, shape (n_rows, n_classes)
            Logits, computed in float64 in any order, minus the largest of the row.

        Returns
        -------
        ndarray of int64, shape (n_rows,)
        """
        best = below.argmax(axis=1)
        slope, offset = self._rounding.slope, self._rounding.offset
        # So many must be below: all but the largest of each row. What is not a number never is.
        if np.count_nonzero(below < -(slope * norm + offset)) != below.size - len(below):
            inputs = self.prepare(rows)
            margins = slope * _row_norms(inputs) + offset
            far = np.count_nonzero(below < -margins[:, np.newaxis], axis=1)
            for row in np.flatnonzero(far != below.shape[1] - 1):
                best[row] = self.logits(np.ascontiguousarray(rows[row])).argmax()
        labels: NDArray[np.int64] = self.classes[best]
        return labels

    @cached_property
    def _rounding(self) -> Rounding:
        return Rounding(self.weights, self.biases)

    def _logits(self, inputs: Floats) -> Floats:
        signal = inputs
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            signal = signal.dot(weight)
            signal += bias
            if layer < last:
                np.maximum(signal, 0, out=signal)
        return signal

    def save(self, file: BinaryIO) -> None:
        """Write an ``.npz`` whose bytes depend on the arrays alone."""
        arrays: dict[str, NDArray[Any]] = {
            "preprocessing": np.array(self.preprocessing),
            "factor": np.array(self.factor),
            "classes": self.classes,
        }
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{layer}": weight, f"bias_{layer}": bias}
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, content: bytes) -> Scorer:
        """Read what `save` wrote; no pickle is opened.

        Parameters
        ----------
        content : bytes
            An ``.npz``, which may be of anyone's making.

        Raises
        ------
        ValueError
            When it is no such ``.npz``, or its arrays make no scorer.
        """
        arrays = read_arrays(content)
        layers = range((len(arrays) - 3) // 2)
        parts = [f"{part}_{layer}" for layer in layers for part in ("weight", "bias")]
        if not layers or sorted(arrays) != sorted(["preprocessing", "factor", "classes", *parts]):
            raise ValueError(f"it has the arrays {', '.join(sorted(arrays)) or 'of nothing'}")
        preprocessing = read_text(arrays, "preprocessing")
        if preprocessing not in PREPROCESSING:
            raise ValueError(f"there is no preprocessing {preprocessing!r}")
        factor = read_factor(arrays)
        classes = _classes(arrays["classes"])
        weights = tuple(read_floats(arrays, f"weight_{layer}", 2) for layer in layers)
        biases = tuple(read_floats(arrays, f"bias_{layer}", 1) for layer in layers)
        return cls(preprocessing, factor, classes, weights, biases)

    def check(self, features: int, labels: int, are_powers: bool) -> None:
        """Make sure that it scores rows of a schema.

        Parameters
        ----------
        features, labels : int
            How many the schema has.
        are_powers : bool
            Whether the features are band powers.

        Raises
        ------
        ValueError
            When it takes or gives something else; says what.
        """
        if self.preprocessing == "log1p" and not are_powers:
            raise ValueError("its preprocessing is log1p, but its features are no band powers")
        if self.classes[-1] >= labels:
            raise ValueError(f"it has class {self.classes[-1]}, but there are {labels}")
        inputs, reach = features, _LARGEST_INPUT
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            outputs = len(self.classes) if layer == last else weight.shape[1]
            if weight.shape != (inputs, outputs) or bias.shape != (outputs,):
                raise ValueError(
                    f"weight_{layer} and bias_{layer} have the shapes {weight.shape} and"
                    f" {bias.shape}, not {(inputs, outputs)} and {(outputs,)}"
                )
            inputs = outputs
            with np.errstate(over="ignore"):
                reach = (np.abs(weight).sum(axis=0) * reach + np.abs(bias)).max()
        # Nor is it where it is no number.
        if not reach <= _LARGEST_SCORE:
            raise ValueError("its weights are so large that scores are no longer finite")


def _below_largest(logits: Floats) -> Floats:
    if logits.ndim == 1:
        # Of one row, argmax takes a third of the time of a reduction.
        logits -= logits[logits.argmax()]
    else:
        logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    return logits


def _softmax(below: Floats) -> Floats:
    np.exp(below, out=below)
    below /= np.add.reduce(below, axis=-1, keepdims=True)
    return below


def read_factor(arrays: Mapping[str, NDArray[Any]]) -> float:
    """The array that is a factor.

    Raises
    ------
    ValueError
        When it is none.
    """
    factor = float(read_floats(arrays, "factor", 0))
    if not SMALLEST_FACTOR <= factor <= 1 / SMALLEST_FACTOR:
        raise ValueError(f"factor is {factor}: one over it is no typical band power")
    return factor


def read_text(arrays: Mapping[str, NDArray[Any]], name: str) -> str:
    """An array that is one text.

    Raises
    ------
    ValueError
        When it is none.
    """
    array = arrays[name]
    if array.dtype.kind != "U" or array.shape != ():
        raise ValueError(f"{name} is no text")
    return str(array)


def read_floats(arrays: Mapping[str, NDArray[Any]], name: str, dimensions: int) -> Floats:
    """An array of finite numbers, copied.

    Raises
    ------
    ValueError
        When it is none, or has other dimensions.
    """
    array = arrays[name]
    if array.dtype != np.float64 or array.ndim != dimensions or array.size == 0:
        kind = ("single number", "vector", "matrix")[dimensions]
        raise ValueError(
            f"{name} is {array.dtype} of the shape {array.shape}, not a {kind} of float64"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a value that is no finite number")
    # A copy, for the array is part of the file.
    return np.array(array, order=order_of(array.shape) if dimensions == 2 else "C")


def _classes(array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype != np.int64 or array.ndim != 1:
        raise ValueError(
            f"classes is {array.dtype} of the shape {array.shape}, not a vector of int64"
        )
    if len(array) < 2 or array[0] < 0 or not (array[1:] > array[:-1]).all():
        raise ValueError("classes are not two or more, each once and in order")
    return np.array(array)
