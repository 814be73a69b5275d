"""Keeping what routes answer, as `eeg_letters.serving.keeping` has it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eeg_letters.database.answered import Answered
from eeg_letters.database.keeping import Keeper
from eeg_letters.database.tables import INT64
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.inference import Prediction
from eeg_letters.serving.keeping import session_of
from eeg_letters.serving.routing import Request


class KeepAnswers:
    """Puts what is answered into a keeper's queue.

    Parameters
    ----------
    keeper : Keeper
        Writes it.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

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

    def stored_row(  # noqa: D102
        self,
        request: Request,
        recording_sha256: str,
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
        line: int | None = None,
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
                line,
            )
        )
