"""Clients that keep their connections and compare every answer with the right one."""

from __future__ import annotations

import asyncio
import re
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.environments import Unavailable
from benchmarks.process import ANSWER_SECONDS, HOST, ask
from benchmarks.servers import Request

# Then a connection is closed and another opened, as clients come and go.
REQUESTS_A_CONNECTION = 500

_TICK_SECONDS = 0.001
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


@dataclass(frozen=True)
class Question:
    """A request as it goes over the wire, and the answer that is right."""

    name: str
    message: bytes
    status: int
    answer: bytes

    @classmethod
    def of(cls, port: int, request: Request, status: int = 200) -> Question:
        """Ask once: later answers must be the same.

        Raises
        ------
        Unavailable
            When the answer has another status.
        """
        name = f"{request.method} {request.path}"
        found, answer = ask(port, request)
        if found != status:
            raise Unavailable(f"{name} answers {found} instead of {status}")
        body = request.body
        fields = (
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        )
        head = f"{name} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n"
        return cls(name, head.encode() + body, status, answer)


@dataclass
class Tally:
    """What came back.

    Attributes
    ----------
    ended : array of float
        Seconds from the start to the end of each right answer.
    latencies : array of float
        Seconds that each right answer took from when its request was due.
    errors : Counter of str
        What else came instead of an answer.
    unsent : int
        Requests that were due, but had no free connection before the end.
    """

    ended: array[float] = field(default_factory=lambda: array("d"))
    latencies: array[float] = field(default_factory=lambda: array("d"))
    errors: Counter[str] = field(default_factory=Counter)
    unsent: int = 0


async def ask_without_pause(
    port: int, choose: Callable[[], Question], connections: int, seconds: float, tally: Tally
) -> None:
    """Ask again as soon as there is an answer."""
    started = perf_counter()

    async def client() -> None:
        connection = _Connection(port)
        while perf_counter() - started < seconds:
            await _measure(connection, choose(), perf_counter(), started, tally)
        connection.close()

    await asyncio.gather(*(client() for _ in range(connections)))


async def ask_at_rate(
    port: int,
    choose: Callable[[], Question],
    connections: int,
    seconds: float,
    rate: float,
    tally: Tally,
) -> None:
    """Ask so many times a second, however long the answers take.

    A request that is due when all connections wait for answers is sent when one is free; it counts
    from when it was due.
    """
    started = perf_counter()
    due: asyncio.Queue[float | None] = asyncio.Queue()

    async def client() -> None:
        connection = _Connection(port)
        while (moment := await due.get()) is not None:
            await _measure(connection, choose(), moment, started, tally)
        connection.close()

    clients = [asyncio.create_task(client()) for _ in range(connections)]
    sent = 0
    while (elapsed := perf_counter() - started) < seconds:
        for _ in range(int(elapsed * rate) - sent):
            due.put_nowait(perf_counter())
            sent += 1
        await asyncio.sleep(_TICK_SECONDS)
    tally.unsent = due.qsize()
    while not due.empty():
        due.get_nowait()
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)


class _Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._asked = 0

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
            self._asked = 0
        reader, writer = self._streams
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("an answer without a length")
        body = await reader.readexactly(int(length[1]))
        self._asked += 1
        if self._asked == REQUESTS_A_CONNECTION:
            self.close()
        return int(head[9:12]), body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _measure(
    connection: _Connection, question: Question, due: float, started: float, tally: Tally
) -> None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            status, answer = await connection.ask(question.message)
    except (OSError, EOFError, ValueError) as error:
        tally.errors[f"{question.name}: {type(error).__name__}"] += 1
        connection.close()
        return
    if (status, answer) != (question.status, question.answer):
        wrong = f"{status} instead of {question.status}" if status != question.status else "wrong"
        tally.errors[f"{question.name}: {wrong}"] += 1
        return
    now = perf_counter()
    tally.ended.append(now - started)
    tally.latencies.append(now - due)
