"""Sends rows over streams as fast as they are taken, and reads the answers.

python -m tests.attack.flood URL COUNT: a line is printed once all streams are open.
"""

from __future__ import annotations

import selectors
import sys
from contextlib import suppress

from tests.attack.clients import open_connection
from tests.attack.streams import ROW, Frames, frame, upgrade

MANY = frame(ROW) * 20


def main(url: str, count: int) -> None:
    """Flood until the process is killed."""
    selector = selectors.DefaultSelector()
    sent = {}
    for _ in range(count):
        connection = open_connection(url)
        connection.sendall(upgrade())
        assert Frames(connection).head().startswith(b"HTTP/1.1 101 ")
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        sent[connection] = 0
    print("flooding", flush=True)
    while True:
        for key, _ in selector.select():
            connection = key.fileobj  # type: ignore[assignment]
            with suppress(BlockingIOError):
                connection.recv(2**18)
            with suppress(BlockingIOError):
                already = sent[connection] % len(MANY)
                sent[connection] += connection.send(memoryview(MANY)[already:])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
