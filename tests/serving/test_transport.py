"""What is written to a connection, and how much of it the client has taken."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvloop

from eeg_letters.serving.transport import OneWrite

SIZE = 10_000_000


def test_what_a_client_has_taken_can_be_told_of_an_aborted_connection_too() -> None:
    async def told() -> list[int]:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[Any] = loop.create_future()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.set_result(transport)

        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            transport = await made
            server.close()
            writer = OneWrite(transport, loop)
            writer.write(bytes(SIZE))
            found = [writer.bytes_taken()]
            transport.abort()
            found.append(writer.bytes_taken())
            async with asyncio.timeout(10):
                while transport.get_extra_info("socket").fileno() >= 0:
                    await asyncio.sleep(0)
            found.append(writer.bytes_taken())
        return found

    before, aborted, closed = uvloop.run(told())
    assert 0 <= before <= aborted <= closed < SIZE
