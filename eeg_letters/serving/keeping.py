"""What routes tell of what they answered, where it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from eeg_letters.errors import Problem
from eeg_letters.scales import Scale
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.inference import Prediction
from eeg_letters.serving.routing import Request

SESSION_HEADER = b"x-session-id"
SESSION = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Keep(Protocol):
    """Keeps what was answered: `eeg_letters.serving.database`, where there is a database.

    To keep costs a request a few microseconds a row. Methods raise `Problem` where the client names
    a session in a way that cannot be kept.
    """

    def rows(
        self, request: Request, answered: Sequence[tuple[Floats, Sequence[Prediction | None]]]
    ) -> None:
        """Keep a client's rows, all of a request.

        Parameters
        ----------
        request : Request
            Which asked.
        answered : sequence of (ndarray of float64, sequence of (Prediction or None))
            Band powers, shape (n_rows, n_features), at least one row each; and what each model
            gives them, None where it was not asked.
        """

    def told_row(
        self,
        request: Request,
        row: Floats,
        predictions: Sequence[Prediction],
        true_class: int,
        teller: str | None,
    ) -> None:
        """Keep a client's row, and what it truly was.

        Parameters
        ----------
        request : Request
            Which asked, for this row alone.
        row : ndarray of float64, shape (1, n_features)
            Band powers.
        predictions : sequence of Prediction
            What each model gives it.
        true_class : int
            Index of what it was.
        teller : str or None
            As `teller` gave it.
        """

    def teller(self, request: Request) -> str | None:
        """The name of who may tell what rows truly were; None where anybody may.

        Raises
        ------
        Problem
            401, 403 or 404 where the client of a request may not.
        """

    def stored_row(
        self,
        request: Request,
        recording_sha256: str,
        scale: Scale,
        line: int,
        row: Floats,
        classes: Sequence[int],
    ) -> None:
        """Keep that a stored row was answered.

        Parameters
        ----------
        request : Request
            Which asked.
        recording_sha256 : str
            Checksum of the file that the row is from.
        scale : Scale
            By which that was read.
        line : int
            Its line number there.
        row : ndarray of float64, shape (n_features,)
            Its band powers.
        classes : sequence of int
            Index of the class that each model gave it.
        """


def session_of(request: Request) -> str | None:
    """The session that a request's header names; None where it names none.

    Raises
    ------
    Problem
        400 where it cannot be one.
    """
    named = request.headers.get(SESSION_HEADER)
    if named is None:
        return None
    if not SESSION.fullmatch(named):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "X-Session-ID is not 1 to 128 letters, digits, dots, hyphens and underscores.",
        )
    return named.decode("ascii")
