"""Addresses of streams."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from eeg_letters.errors import LiveError

_SCHEMES = {"ws": "http", "wss": "https"}


def models_address(url: str) -> tuple[str, Mapping[str, str]]:
    """Where the service of a stream tells its models, and the headers to ask it with.

    A name and a password in the address become ``Authorization``, as they do for the stream.

    Raises
    ------
    LiveError
        When it is no address of a WebSocket.
    """
    try:
        parts = urlsplit(url)
        # What is no number raises, too.
        is_address = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise LiveError(
            f"{without_password(url)}: no address of a WebSocket, such as ws://localhost:3000/live"
        )
    path = f"{parts.path.rpartition('/')[0]}/models"
    address = parts._replace(scheme=_SCHEMES[parts.scheme], netloc=_host(parts), path=path)
    headers = {}
    if parts.username is not None and parts.password is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password)}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
    return address._replace(query="", fragment="").geturl(), headers


def without_password(url: str) -> str:
    """An address as it may be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(netloc=_host(parts)).geturl() if "@" in parts.netloc else url


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
