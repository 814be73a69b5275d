"""The JSON of a stream's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from eeg_letters.errors import Problem
from eeg_letters.labels import Labels
from eeg_letters.serving.inference import Prediction
from eeg_letters.serving.live.decision import Decision

# Of each model, where not all are asked for.
LIKELIEST = 5


class AnswerWriter:
    """Writes what a row of a stream is answered with.

    Parameters
    ----------
    labels : Labels
        What classes are called.
    """

    def __init__(self, labels: Labels) -> None:
        names = labels.names if labels.are_letters else None
        self._called: list[dict[str, Any]] = [
            {"label": value} if names is None else {"label": value, "letter": names[place]}
            for place, value in enumerate(labels.values)
        ]

    def answer(
        self,
        begun: dict[str, Any],
        predictions: Sequence[Prediction],
        decision: Decision,
        with_all: bool,
    ) -> bytes:
        """An answer as JSON.

        Parameters
        ----------
        begun : dict of str to object
            Its first members; it is written into.
        predictions : sequence of Prediction
            One a model, of one row.
        decision : Decision
            The stream's.
        with_all : bool
            Whether to give all probabilities, and not those of the likeliest classes alone.
        """
        for prediction in predictions:
            (place,), (probabilities,) = prediction.classes, prediction.probabilities
            begun[prediction.title] = {
                **self._called[place],
                **(
                    {"probabilities": probabilities}
                    if with_all
                    else {"likeliest": self._likeliest(probabilities)}
                ),
            }
        familiar = predictions[0].familiar
        if familiar is not None:
            begun["familiar"] = bool(familiar[0])
        begun["decision"] = {
            **self._called[decision.place],
            "probability": decision.probability,
            "rows": decision.rows,
            "stable": decision.is_stable,
        }
        return orjson.dumps(begun, option=orjson.OPT_SERIALIZE_NUMPY)

    def _likeliest(self, probabilities: Any) -> list[dict[str, Any]]:
        # Of two that are as likely the first, as a model decides.
        places = np.argsort(-probabilities, kind="stable")[:LIKELIEST]
        return [
            {**self._called[place], "probability": probability}
            for place, probability in zip(
                places.tolist(), probabilities[places].tolist(), strict=True
            )
        ]


def refusal(begun: dict[str, Any], problem: Problem) -> bytes:
    """The answer to a row that is none, as JSON."""
    return orjson.dumps({**begun, "error": problem.body()})
