"""Whom requests are for: the names by which the service may be asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus

from eeg_letters.errors import Problem
from eeg_letters.settings import host_name


def check_host(headers: Mapping[bytes, bytes], allowed: Collection[bytes]) -> None:
    """Refuse a request for another host.

    To a browser, a page of a site whose owner points its name at this service's address has the
    service's own origin, and may read all answers (DNS rebinding). Only the name tells.

    Raises
    ------
    Problem
        421 when the ``Host`` header has none of the allowed names.
    """
    given = headers.get(b"host", b"")
    if host_name(given) not in allowed:
        raise Problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"The request is for the host {given[:80].decode('latin-1')!r}, which is none of those"
            " that EEG_ALLOWED_HOSTS names.",
        )
