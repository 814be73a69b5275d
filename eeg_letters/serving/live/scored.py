"""What models say of rows that are scored together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.inference import Prediction

# Of each model, where not all are asked for.
LIKELIEST = 5
# A model that rules a class out in one row may be wrong.
_LEAST = 1e-12


class Scored:
    """What models say of some rows, which may be of several streams.

    Parameters
    ----------
    powers : ndarray of float64, shape (n_rows, n_features)
        The rows, as band powers.
    predictions : sequence of Prediction
        One a model.
    """

    def __init__(self, powers: Floats, predictions: Sequence[Prediction]) -> None:
        self.powers = powers
        self.predictions = predictions

    @cached_property
    def logarithms(self) -> Floats:
        """Sum of the logarithms of all models' probabilities, shape (n_rows, n_labels)."""
        first, *others = self.predictions
        product = np.maximum(first.probabilities, _LEAST)
        for prediction in others:
            product *= np.maximum(prediction.probabilities, _LEAST)
        return np.log(product, out=product)

    @cached_property
    def likeliest(self) -> list[tuple[list[list[int]], list[list[float]]]]:
        """Of each model the likeliest classes of each row, likeliest first, and how likely."""
        return [_likeliest(prediction.probabilities) for prediction in self.predictions]

    def row(self, place: int) -> tuple[Floats, list[Prediction]]:
        """The band powers of one row, shape (1, n_features), and what models say of it alone."""
        one = slice(place, place + 1)
        # Copies: what is kept waits, and would hold the other rows.
        return self.powers[one].copy(), [
            Prediction(
                of.title,
                of.classes[one],
                of.probabilities[one].copy(),
                None if of.familiar is None else of.familiar[one],
            )
            for of in self.predictions
        ]


def _likeliest(probabilities: Floats) -> tuple[list[list[int]], list[list[float]]]:
    # Of two that are as likely the first, as a model decides.
    places = (-probabilities).argsort(axis=1, kind="stable")[:, :LIKELIEST].tolist()
    each = zip(probabilities.tolist(), places, strict=True)
    return places, [[row[place] for place in of_row] for row, of_row in each]
