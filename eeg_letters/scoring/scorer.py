"""The compiled scorer: a fitted pipeline as plain NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# scikit-learn's Normalizer leaves a row of a smaller norm as it is.
_SMALLEST_NORM = 10 * np.finfo(np.float64).eps


def _l2(rows: Floats) -> Floats:
    if rows.ndim == 1:
        norm = math.sqrt(rows.dot(rows))
        return rows / (norm if norm >= _SMALLEST_NORM else 1)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    norms[norms < _SMALLEST_NORM] = 1
    normalised: Floats = rows / norms[:, np.newaxis]
    return normalised


def _standardise(rows: Floats) -> Floats:
    # Means and standard deviations are part of the first layer.
    return rows


# Functions that are applied to a row before the first layer, by name.
PREPROCESSING: dict[str, Callable[[Floats], Floats]] = {
    "log1p": np.log1p,
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
    classes : ndarray of int64, shape (n_classes,)
        Index in the schema's labels of each class that it was trained on, ascending.
    weights : sequence of ndarray of float64, each of shape (n_inputs, n_outputs)
        Weights of each layer, the first one of ``n_features`` inputs, the last one of
        ``n_classes`` outputs.
    biases : sequence of ndarray of float64, each of shape (n_outputs,)
        Bias of each layer.
    """

    preprocessing: str
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
        ndarray of int64, shape (n_rows,) or ()
        """
        labels: NDArray[np.int64] = self.classes[self.logits(rows).argmax(axis=-1)]
        return labels

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
        logits = self.logits(rows)
        logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= np.add.reduce(logits, axis=-1, keepdims=True)
        return logits

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
        signal = PREPROCESSING[self.preprocessing](rows)
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
            "classes": self.classes,
        }
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{layer}": weight, f"bias_{layer}": bias}
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Scorer:
        """Read what `save` wrote; no pickle is opened.

        Raises
        ------
        ValueError, KeyError, OSError
            When the file is not such an ``.npz``.
        """
        # np.load leaves a file open that is not a zip archive.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            layers = range(sum(name.startswith("weight_") for name in arrays.files))
            preprocessing = str(arrays["preprocessing"])
            if preprocessing not in PREPROCESSING:
                raise ValueError(f"there is no preprocessing {preprocessing}")
            return cls(
                preprocessing,
                arrays["classes"],
                tuple(np.asfortranarray(arrays[f"weight_{layer}"]) for layer in layers),
                tuple(arrays[f"bias_{layer}"] for layer in layers),
            )
