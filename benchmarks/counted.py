"""Stages of a request, requests through the connection, and what is counted of them in one tree.

Run by `benchmarks.instructions`, under callgrind, in the tree that it counts, which may be another
one than this file's, of another layout. So each stage imports what it needs by itself: where it
cannot be built, the tree lacks that stage alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

# One thread, as the image has it; NumPy reads this when it is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))

import uvicorn
from uvicorn.server import ServerState

Step = Callable[[], object]

GET, ONE, MANY = "GET /prediction", "POST /predict, 1 row", "POST /predict, 1,000 rows"
V2, BY_TASK = "V2, 1 row", "GET /prediction, by a task"
LINE = 232
WIDTH = 160
# How often what is counted is done before and while it is counted.
TIMES = (20, 100)
TIMES_OF_MANY = (1, 2)
HEAD = b"%b HTTP/1.1\r\nhost: localhost:3000\r\nuser-agent: counted\r\naccept: */*\r\n"
# A read of uvloop.
READ_BYTES = 256 * 1024


def begin() -> None:
    """Callgrind forgets what it has counted: nothing else calls this function of the C library."""
    os.sched_get_priority_max(os.SCHED_OTHER)


def end() -> None:
    """Callgrind writes down what it has counted, and forgets it."""
    os.sched_get_priority_min(os.SCHED_OTHER)


class Given:
    """What stages work on."""

    @cached_property
    def inference(self) -> Any:
        """Models and stored rows."""
        from eeg_letters.serving import inference

        return inference.load_inference(self.settings)

    @cached_property
    def settings(self) -> Any:
        """Defaults, or what the environment says."""
        from eeg_letters.settings import read_settings

        return read_settings(os.environ)

    @cached_property
    def row(self) -> Any:
        """A stored row."""
        return self.inference.rows[LINE]

    @cached_property
    def rows(self) -> Any:
        """As many rows as the largest request has."""
        import numpy as np

        return np.array([self.inference.rows[line] for line in range(1000)])


def _read(request: str, given: Given) -> Step:
    from eeg_letters.serving.api import routes
    from eeg_letters.serving.api.rows import RowParser

    schema = given.inference.schema
    parser = RowParser(schema.features)
    # Its module has another name in older trees.
    row_limit = vars(routes)["row_limit"]
    limit = row_limit(given.settings, len(schema.labels.values), len(given.inference.models))
    _, _, body = requests()[request].partition(b"\r\n\r\n")
    return lambda: list(parser.parse(body, limit))


def _label(model: int, given: Given) -> Step:
    return partial(given.inference.models[model].scorer.predict, given.row)


def _probabilities(model: int, given: Given) -> Step:
    return partial(given.inference.models[model].scorer.predict_proba, given.row)


def _many_probabilities(model: int, given: Given) -> Step:
    return partial(given.inference.models[model].scorer.predict_proba, given.rows)


def _write(request: str, given: Given) -> Step:
    from eeg_letters.serving.api.answers import as_json

    rows = given.rows if request == MANY else given.rows[:1]
    return partial(as_json, given.inference.predict(rows), given.inference.schema.labels)


def _tell(given: Given) -> Step:
    from eeg_letters.serving.telemetry.logs import AccessLog
    from eeg_letters.serving.telemetry.metrics import Metrics

    inference = given.inference
    versions = {stored.model.title: stored.version for stored in inference.models}
    metrics, log = Metrics(versions, inference.schema.labels), AccessLog(as_json=True)

    def tell() -> None:
        metrics.observe(("/predict", "POST", 200), 0.001)
        log.write("/predict", "POST", 200, 0.001, "0" * 32, None)

    return tell


def _keep(request: str, given: Given) -> Step:
    from eeg_letters.serving.database.feedback.telling import FeedbackCounts
    from eeg_letters.serving.database.feedback.tokens import build_gate
    from eeg_letters.serving.database.keep import KeepAnswers
    from eeg_letters.serving.routing import Request

    inference = given.inference
    keep = KeepAnswers(_Forgets(), build_gate(given.settings), FeedbackCounts())  # type: ignore[arg-type]
    asked = Request({}, (), b"", b"", b"0" * 32, "/predict")
    if request == GET:
        classes = inference.classify(given.row)
        scale = inference.schema.scale
        return partial(keep.stored_row, asked, "0" * 64, scale, LINE, given.row, classes)
    rows = given.rows if request == MANY else given.rows[:1]
    return partial(keep.rows, asked, [(rows, inference.predict(rows, judge=True))])


class _Forgets:
    # A keeper whose queue is empty again at once.
    def keep(self, answered: Any) -> None:
        self.n_bytes = answered.n_bytes


READ, LDA, MLP, WRITE, TELL, KEEP = (
    *("read rows", "LDA", "Neural Network"),
    *("write the answer", "metrics and access log", "keep, where there is a database"),
)
# By stage and request.
STAGES: Mapping[tuple[str, str], Callable[[Given], Step]] = {
    (READ, ONE): partial(_read, ONE),
    (READ, MANY): partial(_read, MANY),
    (LDA, GET): partial(_label, 0),
    (LDA, ONE): partial(_probabilities, 0),
    (LDA, MANY): partial(_many_probabilities, 0),
    (MLP, GET): partial(_label, 1),
    (MLP, ONE): partial(_probabilities, 1),
    (MLP, MANY): partial(_many_probabilities, 1),
    (WRITE, ONE): partial(_write, ONE),
    (WRITE, MANY): partial(_write, MANY),
    (TELL, GET): _tell,
    (KEEP, GET): partial(_keep, GET),
    (KEEP, ONE): partial(_keep, ONE),
    (KEEP, MANY): partial(_keep, MANY),
}


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


@dataclass
class Connection:
    """A connection that requests come in by, without a socket."""

    protocol: Any

    def __post_init__(self) -> None:
        self.transport = Transport()
        self.protocol.connection_made(self.transport)

    async def ask(self, request: bytes) -> None:
        """Send a request, and wait for the answer."""
        self.transport.answered.clear()
        for start in range(0, len(request), READ_BYTES):
            self.protocol.data_received(request[start : start + READ_BYTES])
        await self.transport.answered.wait()
        # What is left to do after the answer.
        await asyncio.sleep(0)


def connections(application: Any) -> Callable[[], Any]:
    """How a worker that serves an application makes the protocol of a connection."""
    config = uvicorn.Config(application, log_config=None, lifespan="off", access_log=False)
    config.load()
    protocol: Any = config.http_protocol_class
    return partial(protocol, config=config, server_state=ServerState(), app_state={})


def requests() -> dict[str, bytes]:
    """The requests, as they come in."""
    row = [round(0.5 + 0.01 * number, 3) for number in range(WIDTH)]
    tensor = {"name": "rows", "datatype": "FP64", "shape": [1, WIDTH], "data": row}

    def post(path: bytes, document: Any) -> bytes:
        body = json.dumps(document, separators=(",", ":")).encode()
        more = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        return HEAD % (b"POST " + path) + more + body

    get = HEAD % b"GET /prediction/%d" % LINE
    return {
        GET: get + b"\r\n",
        ONE: post(b"/predict", {"rows": [row]}),
        V2: post(b"/v2/models/eeg-letters/infer", {"inputs": [tensor]}),
        MANY: post(b"/predict", {"rows": [row] * 1000}),
        BY_TASK: get + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    }


async def main(make: Callable[[], Any]) -> list[list[Any]]:
    """Count everything.

    Returns
    -------
    list of [str, int, str]
        What was counted, in the order of Callgrind's dumps: name, how often it was done, and why
        there is no count, if so.
    """
    application = make()
    end()
    counted: list[list[Any]] = [["start", 1, ""]]
    given = Given()

    async def count(name: str, build: Callable[[], Callable[[], Any]]) -> None:
        before, times = TIMES_OF_MANY if MANY in name else TIMES
        reason = ""
        try:
            step = build()
            for number in range(before + times):
                if number == before:
                    # Collections come at the same moments in every run.
                    gc.collect()
                    begin()
                if asyncio.iscoroutine(found := step()):
                    await found
        except Exception as error:  # noqa: BLE001 A stage that this tree lacks can fail in any way.
            reason = f"{type(error).__name__}: {error}"
        end()
        counted.append([name, times, reason])

    connection = Connection(connections(application)())
    for name, request in requests().items():
        await count(name, partial(partial, _ask, connection, request))
    for (stage, of), build in STAGES.items():
        await count(f"{of}: {stage}", partial(build, given))
    return counted


async def _ask(connection: Connection, request: bytes) -> None:
    await connection.ask(request)
    if connection.transport.status != b"200":
        raise ValueError(f"answered with {connection.transport.status.decode()}")


if __name__ == "__main__":
    import uvloop

    from eeg_letters.serving import inference
    from eeg_letters.serving.telemetry import logs

    # Callgrind takes a minute to load them for the stages once more.
    inference.load_inference = cache(inference.load_inference)
    import service

    logs.STDOUT = os.open(os.devnull, os.O_WRONLY)
    made: Any = service.EEGLetters
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(made.to_asgi))), encoding="utf-8")
