"""Holds connections open for as long as it lives, each with the same bytes sent and nothing more.

python -m tests.attack.hold URL COUNT SECONDS < BYTES. Those that the service ends are opened again;
each stays for SECONDS at most, so that no time limit ends it first.
"""

from __future__ import annotations

import sys
import time
from collections import deque

from tests.attack.clients import allow_descriptors, open_connection


def main(url: str, count: int, seconds: float, data: bytes) -> None:
    """Hold them until the process is killed; a line is printed once all have been opened."""
    allow_descriptors(count)
    held: deque[object] = deque(maxlen=count)
    opened = 0
    while True:
        started = time.monotonic()
        connection = open_connection(url)
        try:
            connection.sendall(data)
        except ConnectionError:
            connection.close()
            continue
        held.append(connection)
        opened += 1
        if opened == count:
            print("holding", flush=True)
        if opened >= count:
            time.sleep(max(0.0, seconds / count - (time.monotonic() - started)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.stdin.buffer.read())
