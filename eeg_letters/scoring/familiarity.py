"""Whether a row is like those of the training: its distance to the nearest class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from eeg_letters.scoring.arrays import read_arrays
from eeg_letters.scoring.rounding import SquareRounding
from eeg_letters.scoring.scorer import PREPROCESSING, Floats, read_factor, read_floats, read_text

# Of a model that has none.
CANNOT_TELL = (
    "cannot tell which rows are like those of its training, which had too few rows of each class,"
    " or too many features"
)

_ARRAYS = ("preprocessing", "factor", "whitening", "shift", "centres", "limit")
# Of what is larger, squares may be infinite.
_LARGEST = 1e100
# Rows at a time: what is computed of them stays in a core's cache.
_BLOCK_ROWS = 256


@dataclass(frozen=True)
class Familiarity:
    """Mahalanobis distance of rows to the nearest class, and the largest that is usual.

    Attributes
    ----------
    preprocessing : str
        Name in `eeg_letters.scoring.scorer.PREPROCESSING` of what is applied to a row first.
    factor : float
        As of `eeg_letters.scoring.scorer.Scorer`.
    whitening : ndarray of float64, shape (n_features, n_features)
        Makes the covariance of rows within a class the identity.
    shift : ndarray of float64, shape (n_features,)
        Added to the whitened row.
    centres : ndarray of float64, shape (n_classes, n_features)
        Mean of each class, whitened and shifted.
    limit : float
        A row that is further from every class is not familiar.
    """

    preprocessing: str
    factor: float
    whitening: Floats
    shift: Floats
    centres: Floats
    limit: float

    def distances(self, rows: Floats) -> Floats:
        """Distance of each row to the nearest class.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            As `eeg_letters.scoring.scorer.Scorer.predict` takes them.

        Returns
        -------
        ndarray of float64, shape (n_rows,)
        """
        distances = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = rows[start : start + _BLOCK_ROWS]
            inputs = PREPROCESSING[self.preprocessing](block, self.factor)
            distances[start : start + _BLOCK_ROWS] = self._squares(inputs)
        # Rounding may make the square of a small distance negative.
        np.maximum(distances, 0, out=distances)
        return np.sqrt(distances, out=distances)

    def are_familiar(self, rows: Floats) -> NDArray[np.bool_]:
        """Whether each row is as near to a class as rows of the training are.

        A row has the same answer by itself and among others.

        Parameters
        ----------
        rows : ndarray of float64, shape (n_rows, n_features)
            As `distances` takes them.

        Returns
        -------
        ndarray of bool, shape (n_rows,)
        """
        if len(rows) == 1:
            # One row by itself takes less time than a batch of one.
            return np.array([self.is_familiar(rows[0])])
        familiar = np.empty(len(rows), np.bool_)
        for start in range(0, len(rows), _BLOCK_ROWS):
            familiar[start : start + _BLOCK_ROWS] = self._judge(rows[start : start + _BLOCK_ROWS])
        return familiar

    def is_familiar(self, row: Floats) -> bool:
        """Whether one row, shape (n_features,), is as `are_familiar` has it."""
        inputs = PREPROCESSING[self.preprocessing](row, self.factor)
        familiar = self._rounding.is_within(inputs, self._most)
        return self._decide(inputs) if familiar is None else familiar

    def _judge(self, rows: Floats) -> NDArray[np.bool_]:
        inputs = PREPROCESSING[self.preprocessing](rows, self.factor)
        familiar, unsure = self._rounding.are_within(inputs, self._most)
        for place in unsure:
            row = np.ascontiguousarray(rows[place])
            familiar[place] = self._decide(PREPROCESSING[self.preprocessing](row, self.factor))
        return familiar

    def _decide(self, inputs: Floats) -> bool:
        # Of a row that no rounding has decided: by the sums of one row in float64.
        matrix, bias = self._product
        with np.errstate(over="ignore", invalid="ignore"):
            signal = inputs.dot(matrix)
            signal += bias
            width = len(self.shift)
            whitened, nearer = signal[:width], signal[width:]
            return bool(whitened.dot(whitened) + nearer.min() <= self._most)

    def _squares(self, inputs: Floats) -> Floats:
        matrix, bias = self._product
        signal = inputs.dot(matrix)
        signal += bias
        width = len(self.shift)
        squares: Floats = np.einsum("ij,ij->i", signal[:, :width], signal[:, :width])
        squares += signal[:, width:].min(axis=1)
        return squares

    @cached_property
    def _most(self) -> float:
        return self.limit * self.limit

    @cached_property
    def _rounding(self) -> SquareRounding:
        return SquareRounding(*self._product)

    @cached_property
    def _product(self) -> tuple[Floats, Floats]:
        # Of a whitened row z and a centre c, the squared distance is |z|² - 2 z·c + |c|²: one
        # product gives z and, for each class, all that is not |z|².
        centres = self.centres
        matrix = np.hstack([self.whitening, -2 * self.whitening @ centres.T])
        nearer = -2 * centres @ self.shift + np.einsum("ij,ij->i", centres, centres)
        return matrix, np.append(self.shift, nearer)

    def save(self, file: BinaryIO) -> None:
        """Write an ``.npz`` whose bytes depend on the arrays alone."""
        arrays = {name: np.array(getattr(self, name)) for name in _ARRAYS}
        np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, content: bytes, features: int, are_powers: bool) -> Familiarity:
        """Read what `save` wrote; no pickle is opened.

        Parameters
        ----------
        content : bytes
            An ``.npz``, which may be of anyone's making.
        features : int
            How many the schema has.
        are_powers : bool
            Whether the features are band powers.

        Raises
        ------
        ValueError
            When it is no such ``.npz``, or is of other features; says what.
        """
        arrays = read_arrays(content)
        if sorted(arrays) != sorted(_ARRAYS):
            raise ValueError(f"it has the arrays {', '.join(sorted(arrays)) or 'of nothing'}")
        preprocessing = read_text(arrays, "preprocessing")
        if preprocessing != ("log1p" if are_powers else "standardise"):
            raise ValueError(f"its preprocessing is {preprocessing!r}")
        whitening, shift, centres = (
            read_floats(arrays, name, dimensions)
            for name, dimensions in (("whitening", 2), ("shift", 1), ("centres", 2))
        )
        shapes = (features, features), (features,), (len(centres), features)
        if (whitening.shape, shift.shape, centres.shape) != shapes:
            raise ValueError(
                f"whitening, shift and centres have the shapes {whitening.shape}, {shift.shape} and"
                f" {centres.shape}, not those of {features} features"
            )
        limit = float(read_floats(arrays, "limit", 0))
        if limit < 0:
            raise ValueError(f"limit is {limit}, which is no distance")
        largest = max(abs(limit), *(float(np.abs(part).max()) for part in (shift, centres)))
        # Of the matrix all sums, for each may have as large an input as there can be.
        largest = max(largest, float(np.abs(whitening).sum(axis=0).max()))
        if largest > _LARGEST:
            raise ValueError("its numbers are so large that distances are no longer finite")
        return cls(preprocessing, read_factor(arrays), whitening, shift, centres, limit)
