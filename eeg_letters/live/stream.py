"""A stream of rows that outlives its connections: what has no answer is sent again."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.datastructures import Headers
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
)
from websockets.frames import CloseCode

from eeg_letters.errors import LiveError
from eeg_letters.live.addresses import without_password
from eeg_letters.live.answers import Answer, to_answer
from eeg_letters.live.refusals import Waits, asked_delay, is_final, may_pass, reason

# Whoever ends a stream at once waits for no answer to that.
_CLOSE_SECONDS = 1

# Numbers that everybody's JSON has.
MOST_ID = 2**53
_TEXT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# Of a stream, by which it, and with a number each of its rows, is found in the log.
_REQUEST_ID = "X-Request-ID"
_MOST_REQUEST_ID = 108

RowLike = Sequence[float] | NDArray[Any] | Mapping[str, float]


@dataclass(slots=True)
class _Row:
    # Without an answer, whether it was sent or not.
    identity: int | str
    message: bytes
    since: float


@dataclass
class Losses:
    """What a stream went through.

    Attributes
    ----------
    reconnects : int
        How often its connection was lost and opened again.
    again : int
        How many rows were sent again.
    """

    reconnects: int = 0
    again: int = 0


class Stream:
    """Rows to a service and its answers, within an event loop.

    It iterates over the answers, in the order of the rows, until `end` was called and the last row
    has its answer. Answers that nobody takes are kept.

    Attributes
    ----------
    losses : Losses
        What it went through so far.
    is_connected : bool
        Whether there is a connection now.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], max_unanswered: int, patience: float
    ) -> None:
        self.losses = Losses()
        self.is_connected = False
        self._url = url
        self._shown = without_password(url)
        self._headers = Headers(headers)
        self._asked_id = self._headers.get(_REQUEST_ID)
        # That of the connection, and how many answers came on it.
        self._request_id: str | None = None
        self._n_answers = 0
        self._patience = patience
        self._rows: deque[_Row] = deque()
        # How many of them were sent on this connection.
        self._sent = 0
        self._next = 0
        # Ids of rows that could have been sent twice.
        self._answered: deque[int | str] = deque(maxlen=max_unanswered)
        self._room = asyncio.Semaphore(max_unanswered)
        # There is something to send, or the end.
        self._more = asyncio.Event()
        # An answer, or None where there will be no more.
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._ended = False
        self._error: Exception | None = None
        self._opened = asyncio.Event()
        self._waits = Waits()
        self._task = asyncio.create_task(self._run())

    async def opened(self) -> None:
        """Wait until the service has taken the stream.

        Raises
        ------
        LiveError
            When it refuses it, or is not there in time.
        """
        await self._opened.wait()
        if self._error is not None:
            raise self._error

    async def send(
        self,
        row: RowLike,
        *,
        id: int | str | None = None,  # noqa: A002 as the protocol has it
        label: int | str | None = None,
        time: float | None = None,
    ) -> None:
        """Send a row; waits while as many as may be have no answer.

        Parameters
        ----------
        row : sequence or ndarray of float, shape (n_features,), or dict of str to float
            In the order of the models' features, or by their names.
        id : int or str, optional
            What its answer is to be known by: a whole number from 0 to 2^53 - 1, or 1 to 64 of the
            characters A-Z, a-z, 0-9, ``.``, ``_``, ``:`` and ``-``. By default the running number
            of the row, from 0.
        label : int or str, optional
            What it truly was, as feedback.
        time : float, optional
            Seconds since 1970; comes back with the answer.

        Raises
        ------
        ValueError
            When the id is another.
        TypeError
            When the row is nothing that JSON has a form for.
        LiveError
            When the service takes no more rows, or the stream was ended.
        """
        if not (id is None or _is_id(id)):
            raise ValueError(f"id {id!r} is no number from 0 on, or has characters that it cannot")
        await self._room.acquire()
        try:
            if self._error is not None or self._ended:
                raise self._error or LiveError(f"{self._shown}: the stream was ended")
            identity = self._next if id is None else id
            document: dict[str, Any] = {"id": identity, "row": _plain(row)}
            if label is not None:
                document["label"] = label
            if time is not None:
                document["time"] = time
            message = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        except BaseException:
            self._room.release()
            raise
        self._next += 1
        self._rows.append(_Row(identity, message, asyncio.get_running_loop().time()))
        self._more.set()

    def end(self) -> None:
        """No more rows: iteration ends with the last answer."""
        self._ended = True
        self._more.set()

    async def finish(self) -> None:
        """Wait for the answers to all rows, which stay to be read, and close the connection.

        Raises
        ------
        LiveError
            When the service takes no more rows.
        """
        self.end()
        try:
            await asyncio.wait([self._task])
        except BaseException:
            self._task.cancel()
            raise
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Close the connection at once; rows without an answer get none."""
        self._ended = True
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def unanswered(self) -> int:
        """How many rows have no answer yet."""
        return len(self._rows)

    def __aiter__(self) -> AsyncIterator[Answer]:
        return self

    async def __anext__(self) -> Answer:
        return self._handed(await self._answers.get())

    def next_left(self) -> Answer | None:
        """The next answer of a stream that is closed; None after the last one.

        Raises
        ------
        LiveError
            After the last one, where the service took no more rows.
        """
        try:
            return self._handed(self._answers.get_nowait())
        except StopAsyncIteration:
            return None

    def _handed(self, answer: Answer | None) -> Answer:
        if answer is not None:
            return answer
        self._answers.put_nowait(None)  # For whoever asks again.
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def _run(self) -> None:
        try:
            await self._keep_open()
        except Exception as error:  # noqa: BLE001 Whoever sends or reads is told.
            self._error = error
        finally:
            self._ended = True
            self._opened.set()
            self._answers.put_nowait(None)
            self._room.release()  # Whoever waits to send finds the error.

    async def _keep_open(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while self._rows or not self._ended:
            asked = 0.0
            if self._asked_id is not None and self._opened.is_set():
                # Rows are numbered anew, and must not be taken for those before.
                del self._headers[_REQUEST_ID]
                self._headers[_REQUEST_ID] = f"{self._asked_id}.{self.losses.reconnects + 1}"
            try:
                async with open_socket(
                    self._url,
                    additional_headers=self._headers,
                    compression=None,
                    close_timeout=_CLOSE_SECONDS,
                ) as socket:
                    if self._opened.is_set():
                        self.losses.reconnects += 1
                        self.losses.again += self._sent
                    self._opened.set()
                    await self._exchange(socket)
            except InvalidURI as error:
                raise LiveError(f"{self._shown}: no address of a WebSocket: {error.msg}") from None
            except ValueError as error:
                raise LiveError(f"{self._shown}: no address of a WebSocket: {error}") from None
            except InvalidStatus as error:
                status = error.response.status_code
                why = reason(status, error.response.body)
                if not may_pass(status):
                    raise LiveError(f"{self._shown} takes no stream: {why}") from None
                asked = asked_delay(error)
            except ConnectionClosed as error:
                if error.rcvd is not None and is_final(error.rcvd.code):
                    raise LiveError(f"{self._shown} closed the stream: {error.rcvd}") from None
                why = str(error)
            except (InvalidMessage, OSError) as error:
                why = str(error) or "no answer"
            except InvalidHandshake as error:
                raise LiveError(f"{self._shown} takes no stream: {error}") from None
            if not self._rows and self._ended:
                return
            delay = next(self._waits) + asked
            if not self._opened.is_set() and loop.time() + delay > deadline:
                raise LiveError(
                    f"{self._shown}: no service within {self._patience:g} s: {why}"
                ) from None
            await asyncio.sleep(delay)

    async def _exchange(self, socket: ClientConnection) -> None:
        # Ends with ConnectionClosed.
        self._sent = self._n_answers = 0
        if socket.response is not None:
            self._request_id = socket.response.headers.get(_REQUEST_ID)
        self.is_connected = True
        sender = asyncio.create_task(self._send_on(socket))
        try:
            while True:
                self._take(await socket.recv(decode=False))
        except asyncio.CancelledError:
            # Otherwise it would be closed as a fault of the client's.
            await socket.close(CloseCode.GOING_AWAY)
            raise
        finally:
            self.is_connected = False
            sender.cancel()
            await asyncio.wait([sender])

    async def _send_on(self, socket: ClientConnection) -> None:
        try:
            while self._rows or not self._ended:
                while self._sent < len(self._rows):
                    message = self._rows[self._sent].message
                    # Before it is sent: its answer may come while the sending waits.
                    self._sent += 1
                    await socket.send(message, text=True)
                self._more.clear()
                if self._rows or not self._ended:
                    await self._more.wait()
            await socket.close()
        except ConnectionClosed:
            return  # Whoever receives is told, too.

    def _row_id(self, number: int) -> str | None:
        if self._request_id is None:
            return None
        return f"{self._request_id[:_MOST_REQUEST_ID]}-{number}"

    def _take(self, message: Any) -> None:
        try:
            document = orjson.loads(message)
            identity = document["id"]
            number, self._n_answers = self._n_answers, self._n_answers + 1
            if not self._rows or identity != self._rows[0].identity:
                if identity in self._answered:
                    return
                raise LiveError(f"{self._shown}: an answer to row {identity}, which was not asked")
            row = self._rows[0]
            latency = asyncio.get_running_loop().time() - row.since
            answer = to_answer(document, latency, self._row_id(number))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise LiveError(f"{self._shown}: something else than an answer to a row") from None
        self._rows.popleft()
        self._sent -= 1
        self._answered.append(identity)
        self._waits = Waits()
        self._answers.put_nowait(answer)
        self._room.release()
        if self._ended and not self._rows:
            self._more.set()


def _is_id(given: int | str) -> bool:
    if isinstance(given, str):
        return _TEXT_ID.fullmatch(given) is not None
    # Others are equal to these, and are not written as they are.
    is_whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    return is_whole and 0 <= given < MOST_ID


def _plain(row: RowLike) -> Any:
    if isinstance(row, np.ndarray):
        return np.ascontiguousarray(row)
    return dict(row) if isinstance(row, Mapping) else list(row)
