"""The classifier for notebooks: a trained model with scikit-learn's methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eeg_letters.errors import SchemaError
from eeg_letters.scales import Scale
from eeg_letters.schema import Features, Schema
from eeg_letters.scoring.familiarity import CANNOT_TELL, Familiarity
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
    schema : eeg_letters.schema.Schema
        The features that it takes and the labels that it gives.
    familiarity : eeg_letters.scoring.familiarity.Familiarity or None
        What tells rows unlike those of its training; None where training could not tell.

    See Also
    --------
    eeg_letters.load : Reads one from the store.
    """

    tag: str
    scorer: Scorer
    schema: Schema
    familiarity: Familiarity | None

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels that it knows, int64 or text, shape (n_classes,); of letters 0 is A."""
        known: NDArray[Any] = self.schema.labels.array[self.scorer.classes]
        return known

    def predict(self, frame: DataFrame | ArrayLike) -> NDArray[Any]:
        """Label of each row.

        Parameters
        ----------
        frame : pandas.DataFrame or array_like of float, shape (n_rows, n_features)
            Features in the unit of the recordings that the model was trained on (band powers: µV²).
            The columns of a frame are found by name, whatever their order; upper and lower case,
            blanks around a name and other columns do not count. The values of a frame are those of
            a file, logarithms where ``schema.scale`` says so. An array has the order of
            ``schema.features``, and powers, as `eeg_letters.read` gives them.

        Returns
        -------
        ndarray of int64 or text, shape (n_rows,)
            As the recording of the training has them; of letters 0 is A, 25 is Z.

        Raises
        ------
        ValueError
            When a column is missing or a duplicate, or a value is no finite number, or is a
            negative band power; names row and column.

        Examples
        --------
        >>> import eeg_letters, pandas
        >>> lda = eeg_letters.load("eeg-lda:latest")
        >>> lda.predict(pandas.read_csv("data/train.csv").head(3))
        array([0, 0, 0])
        """
        labels: NDArray[Any] = self.schema.labels.array[
            self.scorer.predict(_rows(frame, self.schema))
        ]
        return labels

    def predict_proba(self, frame: DataFrame | ArrayLike) -> Floats:
        """Probability of each of `classes_`.

        Parameters
        ----------
        frame : pandas.DataFrame or array_like of float, shape (n_rows, n_features)
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
        return self.scorer.predict_proba(_rows(frame, self.schema))

    def familiar(self, frame: DataFrame | ArrayLike) -> NDArray[np.bool_]:
        """Whether each row is as near to a class as nearly all rows of the training are.

        Parameters
        ----------
        frame : pandas.DataFrame or array_like of float, shape (n_rows, n_features)
            As `predict` takes it.

        Returns
        -------
        ndarray of bool, shape (n_rows,)
            False where a row is further from every class than nearly all held-out rows of the
            training.

        Raises
        ------
        ValueError
            As `predict` does; also when the model cannot tell, because its training had too few
            rows or too many features.
        """
        if self.familiarity is None:
            raise ValueError(f"model {self.tag} {CANNOT_TELL}")
        return self.familiarity.are_familiar(_rows(frame, self.schema))


def _rows(frame: Any, schema: Schema) -> Floats:
    features = schema.features
    scale = Scale.POWER if features.are_powers else None
    values, index = frame, None
    if hasattr(frame, "columns"):
        values = frame.iloc[:, _places(frame, features)]
        index, scale = frame.index, schema.values_scale
    try:
        rows = np.ascontiguousarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the features are not all numbers: {error}") from None
    if rows.ndim != 2 or rows.shape[1] != len(features):
        raise ValueError(
            f"the array has the shape {rows.shape}; (n_rows, {len(features)}) is wanted"
        )
    powers = rows if scale is None else scale.to_power(rows)
    good = np.isfinite(rows) & np.isfinite(powers)
    if features.are_powers:
        good &= powers >= 0
    bad = np.argwhere(~good)
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"row {row if index is None else index[row]}, column {features.names[column]}:"
            f" {rows[row, column]} is not a finite number"
            f"{' from 0 on' if scale is Scale.POWER else ''}"
        )
    return powers


def _places(frame: DataFrame, features: Features) -> list[int]:
    names = [str(name).strip() for name in frame.columns]
    try:
        spelled = features.spelled(names)
    except SchemaError as error:
        raise ValueError(str(error)) from None
    for name in spelled:
        if names.count(name) > 1:
            raise ValueError(f"column {name}: duplicate column")
    return [names.index(name) for name in spelled]
