"""Errors of a user at a terminal, and problems of an HTTP client."""

from __future__ import annotations

from http import HTTPStatus


class UserError(Exception):
    """An error that its user can correct; the message is one sentence that says where and how."""


class RecordingError(UserError):
    """A recording that cannot be read, with file, line and column."""


class SchemaError(UserError):
    """Columns or labels that fit no schema, or not this one; where they stand is told elsewhere."""


class StoreError(UserError):
    """A model store that cannot be read or written."""


class DatabaseError(UserError):
    """A database that cannot be used, or has not the tables that this version needs."""


class DatabaseFailed(DatabaseError):
    """A database that is away, or refuses what it should take."""


class OutputError(UserError):
    """An output that cannot be written."""


class LiveError(UserError):
    """A service that cannot be followed live, or a source of rows that is lost."""


class CompilationError(Exception):
    """A scorer whose predictions differ from its pipeline's."""


class Problem(Exception):
    """An HTTP error, answered as ``application/problem+json`` (RFC 9457).

    Parameters
    ----------
    status : http.HTTPStatus
        Status code of the answer; its phrase becomes the title.
    detail : str
        One sentence for the client's developer: what is wrong and where.
    headers : tuple of (bytes, bytes)
        Further response headers, such as ``Allow``; names in lower case.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def body(self) -> dict[str, str | int]:
        """Members of the problem document."""
        return {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }


def own_fault() -> Problem:
    """Of what no client has done."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The fault is on this side.")
