"""What is counted of one tree: its start, stages of a request, and requests through the connection.

Run by `benchmarks.instructions`, under callgrind, in the tree that it counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Of the tree that is counted, which may be another one than this file's.
sys.path.insert(0, str(Path.cwd()))

import uvicorn
import uvloop
from uvicorn.server import ServerState

from eeg_letters.serving.telemetry import logs

WARM_UP = 20
# How often each is asked, by name.
TIMES = {
    "GET /prediction": 200,
    "POST /predict, 1 row": 100,
    "V2, 1 row": 100,
    "POST /predict, 1,000 rows": 2,
    "GET /prediction, by a task": 100,
}
WIDTH = 160
HEAD = b"%b HTTP/1.1\r\nhost: localhost:3000\r\nuser-agent: counted\r\naccept: */*\r\n"
# A read of uvloop.
READ_BYTES = 256 * 1024


def begin() -> None:
    """Callgrind forgets what it has counted: nothing else calls this function of the C library."""
    os.sched_get_priority_max(os.SCHED_OTHER)


def end() -> None:
    """Callgrind writes down what it has counted, and forgets it."""
    os.sched_get_priority_min(os.SCHED_OTHER)


class Transport:
    """Takes answers and forgets them."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.status = b""

    def get_extra_info(self, name: str) -> Any:
        """Addresses; there is no socket."""
        return {"sockname": ("127.0.0.1", 3000), "peername": ("127.0.0.1", 1)}.get(name)

    def write(self, data: bytes) -> None:
        """Take an answer."""
        self.writelines([data])

    def writelines(self, parts: list[bytes]) -> None:
        """Take an answer."""
        if parts[0].startswith(b"HTTP/1.1 "):
            self.status = parts[0][9:12]
        self.answered.set()

    def is_closing(self) -> bool:
        """Never."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing: a client that reads at once."""
        return 0

    def pause_reading(self) -> None:
        """There is nothing to read but what is given."""

    resume_reading = pause_reading


def requests() -> dict[str, bytes]:
    """The requests, as they come in."""
    row = [round(0.5 + 0.01 * number, 3) for number in range(WIDTH)]
    tensor = {"name": "rows", "datatype": "FP64", "shape": [1, WIDTH], "data": row}

    def post(path: bytes, document: Any) -> bytes:
        body = json.dumps(document).encode()
        more = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        return HEAD % (b"POST " + path) + more + body

    get = HEAD % b"GET /prediction/232"
    return {
        "GET /prediction": get + b"\r\n",
        "POST /predict, 1 row": post(b"/predict", {"rows": [row]}),
        "V2, 1 row": post(b"/v2/models/eeg-letters/infer", {"inputs": [tensor]}),
        "POST /predict, 1,000 rows": post(b"/predict", {"rows": [row] * 1000}),
        "GET /prediction, by a task": get + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    }


async def main(make: Callable[[], Any]) -> None:
    """Count everything."""
    application = make()
    end()
    config = uvicorn.Config(application, log_config=None, lifespan="off", access_log=False)
    config.load()
    protocol: Any = config.http_protocol_class
    connection = protocol(config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    connection.connection_made(transport)
    for name, request in requests().items():
        for number in range(WARM_UP + TIMES[name]):
            if number == WARM_UP:
                begin()
            transport.answered.clear()
            for start in range(0, len(request), READ_BYTES):
                connection.data_received(request[start : start + READ_BYTES])
            await transport.answered.wait()
            # What is left to do after the answer.
            await asyncio.sleep(0)
        end()
        if transport.status != b"200":
            sys.exit(f"{name} was answered with {transport.status.decode()}")


if __name__ == "__main__":
    import service

    logs.STDOUT = os.open(os.devnull, os.O_WRONLY)
    made: Any = service.EEGLetters
    uvloop.run(main(made.to_asgi))
