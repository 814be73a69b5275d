"""Deleting what was kept of a person's session."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from eeg_letters.database.pruning import delete_session, empty_wal
from eeg_letters.errors import Problem
from eeg_letters.serving.api.queries import parse_query
from eeg_letters.serving.api.refusals import refused
from eeg_letters.serving.database.access import Access
from eeg_letters.serving.database.feedback.log import Answer
from eeg_letters.serving.database.feedback.telling import await_written
from eeg_letters.serving.database.feedback.tokens import Gate, Scope
from eeg_letters.serving.keeping import SESSION
from eeg_letters.serving.routing import Request, Response, json_response

# How long what was answered may take into the database, and readers to let go of its log.
_SECONDS = 5.0


def build_delete(access: Access, gate: Gate) -> Answer:
    """The handler that deletes a session.

    Parameters
    ----------
    access : Access
        Asks the database.
    gate : callable
        Lets requests pass.
    """

    async def delete(request: Request) -> Response:
        gate(request, Scope.DELETE)
        parse_query(request.query, ())
        (session,) = request.parameters
        if not SESSION.fullmatch(session.encode(errors="replace")):
            raise refused(
                "The path's session is not 1 to 128 letters, digits, dots, hyphens and underscores."
            )
        if not await await_written(access, _SECONDS):
            raise _again("Rows that were answered are not in the database yet")
        deletions = delete_session(access.engine, session)
        deleted = 0
        while found := await access.run_writing(partial(next, deletions, 0)):
            deleted += found
        if not await access.run_writing(partial(empty_wal, access.engine)):
            raise _again("The rows are deleted, but not from the database's write-ahead log")
        return json_response({"deleted_rows": deleted})

    return delete


def _again(why: str) -> Problem:
    detail = f"{why}; send the request again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, ((b"retry-after", b"1"),))
