"""The routes of this room."""

from __future__ import annotations

from dataclasses import dataclass

from eeg_letters.database.log import ServedByNumber
from eeg_letters.serving.database.access import Access
from eeg_letters.serving.database.feedback import openapi
from eeg_letters.serving.database.feedback.accuracy import build_accuracy
from eeg_letters.serving.database.feedback.log import build_log, build_request_log
from eeg_letters.serving.database.feedback.sessions import build_delete
from eeg_letters.serving.database.feedback.telling import FeedbackCounts, build_feedback
from eeg_letters.serving.database.feedback.tokens import Gate, build_gate
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.routing import Body, Described, Route
from eeg_letters.settings import Settings

# Of one piece of feedback with all that it may have; of a list, about the mean.
_ROW_BYTES = 256
_FIRST_ROW_BYTES = 1024


@dataclass(frozen=True)
class Feedback:
    """What this room adds to a service.

    Attributes
    ----------
    routes : tuple of Route
        Of the log, feedback, the accuracy and sessions.
    described : Described
        The same in the OpenAPI document.
    counts : FeedbackCounts
        Its metrics.
    gate : Gate
        Lets those pass who may give feedback.
    """

    routes: tuple[Route, ...]
    described: Described
    counts: FeedbackCounts
    gate: Gate


def build(settings: Settings, inference: Inference, access: Access) -> Feedback:
    """The room with its routes.

    Parameters
    ----------
    settings : Settings
        Who may ask, and limits.
    inference : Inference
        Whose answers were kept.
    access : Access
        Asks the database.

    Raises
    ------
    eeg_letters.errors.UserError
        When there is to be a file of tokens, and it cannot be read.
    """
    gate, known, counts = build_gate(settings), ServedByNumber(), FeedbackCounts()
    feedback = build_feedback(access, known, gate, counts, settings.max_rows)
    most_bytes = _FIRST_ROW_BYTES + settings.max_rows * _ROW_BYTES
    routes = (
        Route("/predictions/log", ("GET",), build_log(access, known, gate)),
        Route(
            "/predictions/log/{request_id}",
            ("GET",),
            build_request_log(access, known, gate, inference),
        ),
        Route("/feedback", ("POST",), feedback, Body.JSON, most_bytes),
        Route("/accuracy", ("GET",), build_accuracy(access, known, gate)),
        Route("/sessions/{session}", ("DELETE",), build_delete(access, gate)),
    )
    described = openapi.describe(inference.schema, not settings.open_feedback)
    return Feedback(routes, described, counts, gate)
