"""Opening a stream, with an event loop or without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from eeg_letters.errors import LiveError
from eeg_letters.live.answers import Answer
from eeg_letters.live.stream import Losses, RowLike, Stream

T = TypeVar("T")

URL = "ws://localhost:3000/live"


def connect(
    url: str = URL,
    *,
    headers: Mapping[str, str] | None = None,
    max_unanswered: int = 64,
    patience: float = 30,
) -> Connecting:
    """Open a stream of rows to a service, with ``async with`` or with ``with``.

    A connection that is lost is opened again, after a time that grows with each try, and rows
    without an answer are sent again: none is lost, and each has one answer. A block that ends
    without an exception waits for the answers to all of its rows.

    Parameters
    ----------
    url : str
        The service's address, with ``?window=``, ``hold=``, ``threshold=`` and so on if need be.
    headers : dict of str to str, optional
        Of the request that opens the stream: ``Authorization`` for labels as feedback,
        ``X-Session-ID``.
    max_unanswered : int
        How many rows may be without an answer before `send` waits.
    patience : float
        Seconds in which the service must be there. One that was there may stay away for longer.

    Returns
    -------
    Connecting
        To be entered: ``async with`` gives an `eeg_letters.live.stream.Stream`, ``with`` a
        `BlockingStream`. Entering raises `eeg_letters.errors.LiveError` where the service refuses
        the stream or is not there.

    Examples
    --------
    In a program or a notebook without an event loop of its own:

    >>> from eeg_letters.live import connect
    >>> with connect("ws://localhost:3000/live") as live:
    ...     live.send([1.0] * 160)
    ...     print(next(live).decision.name)
    F

    In a coroutine, with rows and answers at their own pace:

    >>> async def follow(rows):
    ...     async with connect() as live:
    ...         async def feed():
    ...             async for row in rows:
    ...                 await live.send(row)
    ...             live.end()
    ...         feeding = asyncio.create_task(feed())
    ...         async for answer in live:
    ...             print(answer.decision.name)
    """
    return Connecting(url, headers or {}, max_unanswered, patience)


class Connecting:
    """A stream that is opened when it is entered; made by `connect`."""

    def __init__(
        self, url: str, headers: Mapping[str, str], max_unanswered: int, patience: float
    ) -> None:
        self._arguments = (url, headers, max_unanswered, patience)
        self._stream: Stream | None = None
        self._blocking: BlockingStream | None = None

    async def __aenter__(self) -> Stream:
        self._stream = stream = Stream(*self._arguments)
        try:
            await stream.opened()
        except BaseException:
            await stream.close()
            raise
        return stream

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._stream is not None:
            await (self._stream.finish() if kind is None else self._stream.close())

    def __enter__(self) -> BlockingStream:
        self._blocking = BlockingStream(self)
        return self._blocking

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._blocking is not None:
            self._blocking.leave(kind, error, traceback)


class BlockingStream:
    """A stream for code without an event loop; one runs in a thread of its own.

    It iterates over the answers as `eeg_letters.live.stream.Stream` does.
    """

    def __init__(self, connecting: Connecting) -> None:
        self._connecting = connecting
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._stream = self._await(connecting.__aenter__())
        except BaseException:
            self._stop()
            raise

    def send(
        self,
        row: RowLike,
        *,
        id: int | str | None = None,  # noqa: A002 as the protocol has it
        label: int | str | None = None,
        time: float | None = None,
    ) -> None:
        """Send a row; as `eeg_letters.live.stream.Stream.send`."""
        if self._loop.is_closed():
            raise LiveError("the stream was ended with its block")
        self._await(self._stream.send(row, id=id, label=label, time=time))

    def end(self) -> None:
        """No more rows: iteration ends with the last answer."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stream.end)

    @property
    def losses(self) -> Losses:
        """What the stream went through so far."""
        return self._stream.losses

    def __iter__(self) -> Iterator[Answer]:
        return self

    def __next__(self) -> Answer:
        # What came before the end of the block stays to be read.
        is_over = self._loop.is_closed()
        answer = self._stream.next_left() if is_over else self._await(self._next())
        if answer is None:
            raise StopIteration
        return answer

    async def _next(self) -> Answer | None:
        return await anext(self._stream, None)

    def leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the stream as the end of its block does."""
        try:
            self._await(self._connecting.__aexit__(kind, error, traceback))
        finally:
            self._stop()

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C, while it goes on.
            raise

    def _stop(self) -> None:
        async def rest() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(rest(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
