"""Streams through restarts of the service: clients that reconnect, and count what they get."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from time import perf_counter

from benchmarks.environments import Unavailable
from benchmarks.process import HOST, serving_own, wait_until_ready
from benchmarks.servers import REST, Peer
from benchmarks.streaming import CLOSE, PING, PONG, TEXT, frame, frames_of, upgrade
from benchmarks.workloads import LINE

# Longer than a start, and than the answers to what has waited for it.
_LAST_SECONDS = 60
_UP_SECONDS = 2.0
_BACKOFF_SECONDS = 0.05, 0.5
_READ_BYTES = 64 * 1024
_ID = re.compile(rb'\{"id":(\d+),"(error)?')


@dataclass
class Survived:
    """What streams went through.

    Attributes
    ----------
    rows : int
        Sent, each with an id of its own in its stream.
    lost, twice, errors : int
        Rows never answered, answered more than once, and answered with an error.
    sent_again : int
        Rows that were sent to more than one service.
    codes : Counter of int
        Streams that ended, by close code; 1006 is none.
    longest_seconds : float
        The longest that a row waited for its answer.
    """

    rows: int = 0
    lost: int = 0
    twice: int = 0
    errors: int = 0
    sent_again: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    longest_seconds: float = 0.0


class _Client:
    def __init__(self, port: int, path: str, rows: Iterator[bytes], survived: Survived) -> None:
        self._port = port
        self._path = path
        self._rows = rows
        self._survived = survived
        self._writer: asyncio.StreamWriter | None = None
        # Frames without an answer, by id, and when they were made.
        self._waiting: dict[int, tuple[bytes, float]] = {}
        self._answered: Counter[int] = Counter()
        self._made = 0

    async def send_at_rate(self, rate: float, offset: float, ended: asyncio.Event) -> None:
        """Make rows until the end; send each at once where a service is there."""
        due = perf_counter() + offset / rate
        while not ended.is_set():
            await asyncio.sleep(max(0.0, due - perf_counter()))
            due += 1 / rate
            message = b'{"id":%d,"row":%s}' % (self._made, next(self._rows))
            self._waiting[self._made] = frame(message), perf_counter()
            if self._writer is not None:
                self._writer.write(self._waiting[self._made][0])
            self._made += 1

    async def stay_connected(self) -> None:
        """Read answers; connect again, and send again what has none."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(HOST, self._port)
                try:
                    await self._read(reader, writer)
                finally:
                    self._writer = None
                    writer.close()
            await asyncio.sleep(random.uniform(*_BACKOFF_SECONDS))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(self._path))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            return
        self._survived.sent_again += len(self._waiting)
        for again, _ in self._waiting.values():
            writer.write(again)
        self._writer = writer
        code, rest = 1006, b""
        with suppress(ConnectionError):
            while received := await reader.read(_READ_BYTES):
                data, end = rest + received, 0
                for first, start, end in frames_of(data):
                    if first == TEXT:
                        self._note(data[start:end])
                    elif first == PING:
                        writer.write(frame(data[start:end], PONG))
                    elif first == CLOSE:
                        code = int.from_bytes(data[start : start + 2], "big")
                        self._writer = None
                        writer.write(frame(data[start : start + 2], CLOSE))
                rest = data[end:]
        self._survived.codes[code] += 1

    def _note(self, answer: bytes) -> None:
        found = _ID.match(answer)
        if found is None:
            raise Unavailable(f"an answer begins {answer[:40]!r}")
        number, survived = int(found[1]), self._survived
        survived.errors += found[2] is not None
        self._answered[number] += 1
        if (waited := self._waiting.pop(number, None)) is not None:
            survived.longest_seconds = max(survived.longest_seconds, perf_counter() - waited[1])

    @property
    def has_all(self) -> bool:
        return not self._waiting

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    def count(self) -> None:
        survived = self._survived
        survived.rows += self._made
        survived.lost += len(set(range(self._made)) - self._answered.keys())
        survived.twice += sum(times > 1 for times in self._answered.values())


async def survive(
    peer: Peer,
    port: int,
    path: str,
    rows: Sequence[Sequence[float]],
    n_streams: int,
    rate: float,
    restarts: int,
) -> Survived:
    """Stream while a service is ended with SIGTERM and started again, so many times.

    Parameters
    ----------
    peer : Peer
        The service.
    port : int
        Where it listens, each time.
    path : str
        Its route of streams.
    rows : sequence of sequence of float
        What is sent, in turn.
    n_streams : int
        How many clients there are.
    rate : float
        Rows a second of each.
    restarts : int
        How many times.
    """
    survived = Survived()
    texts = [json.dumps([*row], separators=(",", ":")).encode() for row in rows]
    clients = [
        _Client(port, path, islice(cycle(texts), number, None), survived)
        for number in range(n_streams)
    ]
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        connected = [group.create_task(client.stay_connected()) for client in clients]
        senders = []
        for number in range(restarts + 1):
            serving = serving_own(peer, port)
            server = await asyncio.to_thread(serving.__enter__)
            try:
                await asyncio.to_thread(wait_until_ready, peer, server, REST.ask_line(LINE))
                await _until_all(clients, "is_connected")
                if number == 0:
                    senders = [
                        group.create_task(client.send_at_rate(rate, place / n_streams, ended))
                        for place, client in enumerate(clients)
                    ]
                await asyncio.sleep(_UP_SECONDS)
                if number == restarts:
                    ended.set()
                    await asyncio.wait(senders)
                    with suppress(TimeoutError):
                        await _until_all(clients, "has_all")
                    for task in connected:
                        task.cancel()
            finally:
                await asyncio.to_thread(serving.__exit__, None, None, None)
    for client in clients:
        client.count()
    return survived


async def _until_all(clients: Sequence[_Client], what: str) -> None:
    async with asyncio.timeout(_LAST_SECONDS):
        while not all(getattr(client, what) for client in clients):
            await asyncio.sleep(0.01)
