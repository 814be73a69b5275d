"""The JSON of a stream's answers."""

from __future__ import annotations

from typing import Any

import orjson

from eeg_letters.errors import Problem
from eeg_letters.labels import Labels
from eeg_letters.serving.live.decision import Decision
from eeg_letters.serving.live.scored import Scored


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
        scored: Scored,
        row: int,
        decision: Decision,
        with_all: bool,
    ) -> bytes:
        """An answer as JSON.

        Parameters
        ----------
        begun : dict of str to object
            Its first members; it is written into.
        scored : Scored
            What models say.
        row : int
            Of which of its rows.
        decision : Decision
            The stream's.
        with_all : bool
            Whether to give all probabilities, and not those of the likeliest classes alone.
        """
        for model, prediction in enumerate(scored.predictions):
            told: dict[str, Any] = {**self._called[prediction.classes[row]]}
            if with_all:
                told["probabilities"] = prediction.probabilities[row]
            else:
                places, probabilities = scored.likeliest[model]
                told["likeliest"] = [
                    {**self._called[place], "probability": probability}
                    for place, probability in zip(places[row], probabilities[row], strict=True)
                ]
            begun[prediction.title] = told
        familiar = scored.predictions[0].familiar
        if familiar is not None:
            begun["familiar"] = bool(familiar[row])
        begun["decision"] = {
            **self._called[decision.place],
            "probability": decision.probability,
            "rows": decision.rows,
            "stable": decision.is_stable,
        }
        return orjson.dumps(begun, option=orjson.OPT_SERIALIZE_NUMPY)


def refusal(begun: dict[str, Any], problem: Problem) -> bytes:
    """The answer to a row that is none, as JSON."""
    return orjson.dumps({**begun, "error": problem.body()})
