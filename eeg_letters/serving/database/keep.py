"""Keeping what routes answer, as `eeg_letters.serving.keeping` has it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eeg_letters.database.answered import Answered, Told
from eeg_letters.database.keeping import Keeper
from eeg_letters.database.tables import INT64
from eeg_letters.database.truths import Changed
from eeg_letters.scales import Scale
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.database.feedback.telling import FeedbackCounts
from eeg_letters.serving.database.feedback.tokens import Gate, Scope
from eeg_letters.serving.inference import Prediction
from eeg_letters.serving.keeping import session_of
from eeg_letters.serving.routing import Request


class KeepAnswers:
    """Puts what is answered into a keeper's queue.

    Parameters
    ----------
    keeper : Keeper
        Writes it.
    gate : callable
        Lets those pass who may tell what rows truly were.
    counts : FeedbackCounts
        Told of what they tell.
    """

    def __init__(self, keeper: Keeper, gate: Gate, counts: FeedbackCounts) -> None:
        self._keeper = keeper
        self._gate = gate
        self._counts = counts

    def rows(  # noqa: D102
        self, request: Request, answered: Sequence[tuple[Floats, Sequence[Prediction | None]]]
    ) -> None:
        session = session_of(request)
        if len(answered) == 1:
            ((rows, predictions),) = answered
            asked = next(each for each in predictions if each is not None)
            self._put(
                request,
                session,
                rows,
                [None if each is None else each.classes for each in predictions],
                [None if each is None else each.probabilities for each in predictions],
                asked.familiar,
            )
            return
        by_model = list(zip(*(predictions for _, predictions in answered), strict=True))
        judged = [next(each for each in of if each).familiar for _, of in answered]
        known = [familiar for familiar in judged if familiar is not None]
        self._put(
            request,
            session,
            np.concatenate([rows for rows, _ in answered]),
            [[place for each in of if each for place in each.classes] or None for of in by_model],
            [
                None if of[0] is None else np.concatenate([each.probabilities for each in of])
                for of in by_model
            ],
            np.concatenate(known) if known else None,
        )

    def teller(self, request: Request) -> str | None:  # noqa: D102
        return self._gate(request, Scope.FEEDBACK)

    def told_row(  # noqa: D102
        self,
        request: Request,
        row: Floats,
        predictions: Sequence[Prediction],
        true_class: int,
        teller: str | None,
    ) -> None:
        classes = [prediction.classes for prediction in predictions]
        self._put(
            request,
            session_of(request),
            row,
            classes,
            [prediction.probabilities for prediction in predictions],
            predictions[0].familiar,
            told=Told(true_class, teller),
        )
        self._counts.add([Changed(tuple(given for (given,) in classes), true_class)])

    def stored_row(  # noqa: D102
        self,
        request: Request,
        recording_sha256: str,
        scale: Scale,
        line: int,
        row: Floats,
        classes: Sequence[int],
    ) -> None:
        is_told = line in INT64
        self._put(
            request,
            session_of(request),
            row[np.newaxis],
            [[place] for place in classes],
            None,
            None,
            recording_sha256 if is_told else None,
            scale if is_told else None,
            line if is_told else None,
        )

    def _put(
        self,
        request: Request,
        session: str | None,
        rows: Floats,
        classes: Sequence[Sequence[int] | None],
        probabilities: Sequence[Floats | None] | None,
        familiar: NDArray[np.bool_] | None,
        recording_sha256: str | None = None,
        recording_scale: Scale | None = None,
        line: int | None = None,
        told: Told | None = None,
    ) -> None:
        self._keeper.keep(
            Answered(
                time.time_ns() // 1000,
                request.request_id.decode("ascii"),
                request.route,
                session,
                rows,
                classes,
                probabilities,
                familiar,
                recording_sha256,
                recording_scale,
                line,
                told,
            )
        )
