"""Band powers of an EMOTIV headset, by Cortex, the service of EMOTIV's programs."""

from __future__ import annotations

import asyncio
import getpass
import math
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, WebSocketException

from eeg_letters.errors import LiveError, UserError
from eeg_letters.live.sources.rows import Row, Source, kept, places
from eeg_letters.schema import Features, find_band_powers

CORTEX_URL = "wss://localhost:6868"
CLIENT_ID = "EMOTIV_CLIENT_ID"
CLIENT_SECRET = "EMOTIV_CLIENT_SECRET"  # noqa: S105 a variable's name

_ASK_AGAIN_SECONDS = 1
_SILENT_SECONDS = 10
# Of what EMOTIV computes band powers.
_WINDOW_SECONDS = 2
# Of a person who looks for the button, or switches the headset on.
_PATIENCE_SECONDS = 120
# Warnings after which there are no more rows, or no first one: streams stopped, session closed,
# user logged out, access refused, headset not connected or no longer.
_FINAL_WARNINGS = frozenset((0, 1, 3, 10, 102, 103, 112, 113))


@dataclass(frozen=True)
class Credentials:
    """What EMOTIV gives to a developer for an application."""

    client_id: str
    client_secret: str = field(repr=False)

    def params(self) -> dict[str, str]:
        """Parameters of a request."""
        return {"clientId": self.client_id, "clientSecret": self.client_secret}


def ask_credentials() -> Credentials:
    """Credentials from the environment, or from whoever sits at the terminal.

    Raises
    ------
    UserError
        When nobody does.
    """
    client_id, client_secret = os.environ.get(CLIENT_ID), os.environ.get(CLIENT_SECRET)
    if not (client_id and client_secret) and not sys.stdin.isatty():
        raise UserError(f"cortex needs {CLIENT_ID} and {CLIENT_SECRET} in the environment")
    return Credentials(
        client_id or input(f"{CLIENT_ID}: ").strip(),
        client_secret or getpass.getpass(f"{CLIENT_SECRET}: ").strip(),
    )


@asynccontextmanager
async def open_cortex(
    url: str, credentials: Credentials, wanted: Features | None
) -> AsyncIterator[Source]:
    """Open the band powers of the first headset that Cortex finds.

    Parameters
    ----------
    url : str
        Cortex's own address.
    credentials : Credentials
        Of an application that EMOTIV knows.
    wanted : Features or None
        What rows are to have, in this order; without it all band powers of the headset.

    Raises
    ------
    LiveError
        When Cortex is not there, refuses something, finds no headset, or the headset has other
        electrodes.
    """
    where = f"cortex ({url})"
    try:
        # Closed with the connection: the session, too.
        socket = await open_socket(url, compression=None)
    except (OSError, ValueError, WebSocketException) as error:
        hint = ""
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            hint = "; SSL_CERT_FILE must name EMOTIV's rootCA.pem"
        raise LiveError(
            f"{where} cannot be reached, is EMOTIV Launcher running? {error}{hint}"
        ) from None
    async with socket:
        cortex = _Cortex(where, socket)
        try:
            headset, names = await _opened(cortex, credentials)
        except (AttributeError, IndexError, KeyError, TypeError):
            raise LiveError(f"{where}: an answer that is none of Cortex'") from None
        features = wanted or find_band_powers(names)
        if features is None:
            raise LiveError(f"{where}: its columns tell no electrode and band")
        order = places(f"{where}, {headset}", names, features)
        async with kept(_rows(cortex, order, len(names))) as rows:
            yield Source(features.names, rows, _WINDOW_SECONDS)


class _Cortex:
    # Requests and answers; what else comes meanwhile is kept.
    def __init__(self, where: str, socket: ClientConnection) -> None:
        self.where = where
        self._socket = socket
        self._next = 0
        self._samples: deque[dict[str, Any]] = deque()

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        self._next += 1
        request = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        await self._socket.send(orjson.dumps(request), text=True)
        while True:
            message = await self._receive()
            if "pow" in message:
                self._samples.append(message)
            elif message.get("id") == self._next:
                break
        if "error" in message:
            error = message["error"]
            raise LiveError(
                f"{self.where} refuses {method}: {error.get('message')} ({error.get('code')})"
            )
        return message["result"]

    async def sample(self) -> dict[str, Any]:
        while not self._samples:
            message = await self._receive()
            if "pow" in message:
                return message
        return self._samples.popleft()

    async def _receive(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_SILENT_SECONDS):
                message: Any = orjson.loads(await self._socket.recv(decode=False))
        except TimeoutError:
            raise LiveError(f"{self.where}: nothing for {_SILENT_SECONDS} s") from None
        except ConnectionClosed as error:
            raise LiveError(f"{self.where}: the connection is lost: {error}") from None
        except orjson.JSONDecodeError:
            raise LiveError(f"{self.where}: a message that is no JSON") from None
        if not isinstance(message, dict):
            raise LiveError(f"{self.where}: a message that is no object")
        warning = message.get("warning")
        if warning is not None and warning.get("code") in _FINAL_WARNINGS:
            said = warning.get("message")
            said = said.get("behavior") if isinstance(said, dict) else said
            raise LiveError(f"{self.where}: {said} ({warning['code']})")
        return message


async def _opened(cortex: _Cortex, credentials: Credentials) -> tuple[str, list[str]]:
    # The headset, and the names of its columns.
    token = await _authorized(cortex, credentials)
    headset = await _connected(cortex)
    # A session that is not activated takes nothing of a licence.
    opened = {"cortexToken": token, "headset": headset, "status": "open"}
    session = await cortex.ask("createSession", opened)
    return headset, await _subscribed(cortex, {"cortexToken": token, "session": session["id"]})


async def _authorized(cortex: _Cortex, credentials: Credentials) -> str:
    params = credentials.params()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_SECONDS
    told = False
    while not (granted := await cortex.ask("requestAccess", params))["accessGranted"]:
        if not told:
            print(f"cortex: {granted.get('message')}", file=sys.stderr)
            told = True
        if loop.time() > deadline:
            raise LiveError(f"{cortex.where}: nobody allowed the access in EMOTIV Launcher")
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
    authorized = await cortex.ask("authorize", params)
    return str(authorized["cortexToken"])


async def _connected(cortex: _Cortex) -> str:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_SECONDS
    asked: set[str | None] = set()
    while True:
        headsets = await cortex.ask("queryHeadsets", {})
        by_status = {headset["status"]: str(headset["id"]) for headset in reversed(headsets)}
        if "connected" in by_status:
            return by_status["connected"]
        found = by_status.get("discovered")
        if found is not None and found not in asked and "connecting" not in by_status:
            asked.add(found)
            await cortex.ask("controlDevice", {"command": "connect", "headset": found})
        elif not headsets and None not in asked:
            asked.add(None)
            print("cortex: looking for a headset", file=sys.stderr)
            await cortex.ask("controlDevice", {"command": "refresh"})
        if loop.time() > deadline:
            what = "it does not connect" if headsets else "no headset is on"
            raise LiveError(f"{cortex.where}: {what} for {_PATIENCE_SECONDS} s")
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def _subscribed(cortex: _Cortex, session: dict[str, Any]) -> list[str]:
    result = await cortex.ask("subscribe", {**session, "streams": ["pow"]})
    for failure in result["failure"]:
        raise LiveError(
            f"{cortex.where} refuses the stream pow: {failure['message']} ({failure['code']})"
        )
    return [str(name) for name in result["success"][0]["cols"]]


async def _rows(cortex: _Cortex, order: list[int], n_columns: int) -> AsyncGenerator[Row, None]:
    while True:
        sample = await cortex.sample()
        values = sample["pow"]
        if not isinstance(values, list) or len(values) != n_columns:
            raise LiveError(f"{cortex.where}: a row that has not the {n_columns} columns")
        # JSON has no form for what is not a number.
        numbers = [math.nan if value is None else value for value in values]
        if not all(isinstance(number, int | float) for number in numbers):
            raise LiveError(f"{cortex.where}: a row with a value that is no number")
        yield Row([numbers[place] for place in order], time=sample.get("time"))
