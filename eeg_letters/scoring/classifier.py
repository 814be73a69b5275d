"""The classifier for notebooks: a trained model with scikit-learn's methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eeg_letters.schema import FEATURES
from eeg_letters.scoring.scorer import Floats, Scorer

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Classifier:
    """A trained model, which answers as the service does.

    Attributes
    ----------
    tag : str
        Name and version in the BentoML model store, such as ``eeg-lda:46804cbe0dce0f2f``.
    scorer : eeg_letters.scoring.scorer.Scorer
        The compiled pipeline, its own preprocessing included.

    See Also
    --------
    eeg_letters.load : Reads one from the store.
    """

    tag: str
    scorer: Scorer

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The labels that it knows, ascending, shape (n_classes,); 0 is A."""
        return self.scorer.classes

    def predict(self, frame: DataFrame | ArrayLike) -> NDArray[np.int64]:
        """Label of each row.

        Parameters
        ----------
        frame : pandas.DataFrame or array_like of float, shape (n_rows, 160)
            Band powers in the unit of the recordings that the model was trained on (µV²). The
            columns of a frame are found by name, whatever their order; blanks around a name and
            other columns do not count. An array has the order of
            `eeg_letters.schema.FEATURES`.

        Returns
        -------
        ndarray of int64, shape (n_rows,)
            0 is A, 25 is Z.

        Raises
        ------
        ValueError
            When a column is missing, or a value is not a finite number from 0 on; names row and
            column.

        Examples
        --------
        >>> import eeg_letters, pandas
        >>> lda = eeg_letters.load("eeg-lda:latest")
        >>> lda.predict(pandas.read_csv("data/train.csv").head(3))
        array([0, 0, 0])
        """
        return self.scorer.predict(_band_powers(frame))

    def predict_proba(self, frame: DataFrame | ArrayLike) -> Floats:
        """Probability of each of `classes_` for each row.

        Parameters
        ----------
        frame : pandas.DataFrame or array_like of float, shape (n_rows, 160)
            As `predict` takes it.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_classes)
            Each row sums to 1.

        Raises
        ------
        ValueError
            As `predict` does.
        """
        return self.scorer.predict_proba(_band_powers(frame))


def _band_powers(frame: Any) -> Floats:
    values, index = frame, None
    if hasattr(frame, "columns"):
        names = [str(name).strip() for name in frame.columns]
        for name in FEATURES:
            if (count := names.count(name)) != 1:
                raise ValueError(
                    f"column {name}: {'duplicate column' if count else 'the column is missing'}"
                )
        values = frame.iloc[:, [names.index(name) for name in FEATURES]]
        index = frame.index
    try:
        band_powers = np.ascontiguousarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the band powers are not all numbers: {error}") from None
    if band_powers.ndim != 2 or band_powers.shape[1] != len(FEATURES):
        raise ValueError(
            f"the array has the shape {band_powers.shape}; (n_rows, {len(FEATURES)}) is wanted"
        )
    bad = np.argwhere(~((band_powers >= 0) & np.isfinite(band_powers)))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"row {row if index is None else index[row]}, column {FEATURES[column]}:"
            f" {band_powers[row, column]} is not a finite number from 0 on"
        )
    return band_powers
