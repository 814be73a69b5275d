"""What the rows of one stream are answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eeg_letters.serving.api.refusals import refused
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.keeping import Keep
from eeg_letters.serving.live.answers import AnswerWriter
from eeg_letters.serving.live.decision import RunningDecision
from eeg_letters.serving.live.messages import Row
from eeg_letters.serving.live.scored import Scored
from eeg_letters.serving.routing import Request
from eeg_letters.serving.telemetry.metrics import Metrics

# Characters, of the 128 that a request's id may have; the rest is the row's number.
_MOST_STREAM_ID = 108

# Scores rows, which may be of several streams.
Score = Callable[[Sequence[Row]], Scored]


def build_score(inference: Inference, metrics: Metrics) -> Score:
    """What scores rows and counts what models say."""

    def score(rows: Sequence[Row]) -> Scored:
        values = rows[0].values if len(rows) == 1 else np.concatenate([row.values for row in rows])
        powers = inference.to_powers(values)
        predictions = inference.predict(powers, judge=True)
        metrics.count_predictions([of.classes for of in predictions])
        metrics.count_judged(predictions[0].familiar)
        return Scored(powers, predictions)

    return score


@dataclass(frozen=True)
class Answering:
    """Answers the rows of one stream.

    Attributes
    ----------
    request : Request
        Which opened it.
    decision : RunningDecision
        The stream's.
    writer : AnswerWriter
        Of all streams.
    with_all : bool
        Whether to give all probabilities.
    keep : Keep or None
        Told of every row.
    """

    request: Request
    decision: RunningDecision
    writer: AnswerWriter
    with_all: bool
    keep: Keep | None

    def check(self, row: Row) -> str | None:
        """The name of who tells what a row truly was; None where nobody does, or anybody may.

        Raises
        ------
        Problem
            Where it is told and may not be.
        """
        if row.truth is None:
            return None
        if self.keep is None:
            raise refused("label: nothing of what is answered is kept here.")
        return self.keep.teller(self.request)

    def answer(
        self,
        begun: dict[str, Any],
        number: int,
        row: Row,
        teller: str | None,
        scored: Scored,
        place: int,
    ) -> bytes:
        """The answer to a row as JSON.

        Parameters
        ----------
        begun : dict of str to object
            Its first members; it is written into.
        number : int
            The row's in the stream.
        row : Row
            As it was sent.
        teller : str or None
            As `check` gave it.
        scored : Scored
            What models say of it and of others.
        place : int
            Which of them it is.
        """
        decided = self.decision.add(scored.logarithms[place])
        if self.keep is not None:
            # By an id of its own a row is found in the log, and feedback can follow later.
            request_id = b"%b-%d" % (self.request.request_id[:_MOST_STREAM_ID], number)
            one = self.request._replace(request_id=request_id)
            powers, predictions = scored.row(place)
            if row.truth is None:
                self.keep.rows(one, [(powers, predictions)])
            else:
                self.keep.told_row(one, powers, predictions, row.truth, teller)
        return self.writer.answer(begun, scored, place, decided, self.with_all)
