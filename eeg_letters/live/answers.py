"""The answers of a service to the rows of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Members of an answer that are no model's.
_OTHERS = frozenset(("id", "time", "familiar", "decision", "error"))


@dataclass(frozen=True, slots=True)
class Likely:
    """A class and how probable it is.

    Attributes
    ----------
    label : int or str
        As the training recording has it; of letters 0 is A.
    letter : str or None
        None where classes are no letters.
    probability : float
        From 0 to 1.
    """

    label: int | str
    letter: str | None
    probability: float

    @property
    def name(self) -> str:
        """The class as it is shown."""
        return str(self.label) if self.letter is None else self.letter


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model says of a row.

    Attributes
    ----------
    label : int or str
        The most probable class.
    letter : str or None
        Its letter; None where classes are no letters.
    likeliest : tuple of Likely
        The five most probable classes, the first one first; empty where all probabilities are
        asked for.
    probabilities : tuple of float or None
        Those of all classes, in the order of the classes; None unless they are asked for.
    """

    label: int | str
    letter: str | None
    likeliest: tuple[Likely, ...]
    probabilities: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the last rows together say, by both models.

    Attributes
    ----------
    label, letter, probability
        As `Likely` has them.
    rows : int
        How many rows are in it.
    stable : bool
        Whether it has held for some rows, with enough probability.
    """

    label: int | str
    letter: str | None
    probability: float
    rows: int
    stable: bool

    @property
    def name(self) -> str:
        """The class as it is shown."""
        return str(self.label) if self.letter is None else self.letter


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one row.

    Attributes
    ----------
    id : int or str
        As it was sent; otherwise the running number of the row, from 0.
    time : float or None
        As it was sent.
    models : dict of str to Prediction
        By the titles of the models; empty where the row was refused.
    familiar : bool or None
        Whether the row is like those of the training; None where models cannot tell.
    decision : Decision or None
        None where the row was refused.
    refused : str or None
        What was wrong with the row; None where nothing was.
    request_id : str or None
        By which the row is found in the log, and feedback can be given; None where the service
        does not tell.
    latency : float
        Seconds from the row's sending to its answer, reconnects included.
    document : dict
        All of it as the service sent it.
    """

    id: int | str
    time: float | None
    models: dict[str, Prediction]
    familiar: bool | None
    decision: Decision | None
    refused: str | None
    request_id: str | None
    latency: float
    document: dict[str, Any]


def to_answer(document: dict[str, Any], latency: float, request_id: str | None = None) -> Answer:
    """Make an answer of what a service sent.

    Raises
    ------
    KeyError, TypeError, AttributeError
        When it is something else.
    """
    error = document.get("error")
    decision = None if error is not None else document["decision"]
    return Answer(
        document["id"],
        document.get("time"),
        {title: _prediction(said) for title, said in document.items() if title not in _OTHERS},
        document.get("familiar"),
        None
        if decision is None
        else Decision(
            decision["label"],
            decision.get("letter"),
            decision["probability"],
            decision["rows"],
            decision["stable"],
        ),
        None if error is None else error.get("detail") or error["title"],
        request_id,
        latency,
        document,
    )


def _prediction(said: dict[str, Any]) -> Prediction:
    probabilities = said.get("probabilities")
    return Prediction(
        said["label"],
        said.get("letter"),
        tuple(
            Likely(one["label"], one.get("letter"), one["probability"])
            for one in said.get("likeliest", ())
        ),
        None if probabilities is None else tuple(probabilities),
    )
