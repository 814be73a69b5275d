"""Where the time of a request goes inside this service, and the time and memory of its start.

Run it from the repository root with models in the store: ``python -m benchmarks.stages``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from time import monotonic, process_time

# One thread, as the image has it; NumPy reads this when it is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.rows import RowParser, row_limit
from eeg_letters.serving.asgi import Application, Scope
from eeg_letters.serving.bodies import Message
from eeg_letters.serving.inference import Inference, load_inference
from eeg_letters.serving.openapi import document
from eeg_letters.serving.routes import build_routes
from eeg_letters.serving.telemetry import logs
from eeg_letters.serving.telemetry.logs import AccessLog
from eeg_letters.serving.telemetry.metrics import Metrics
from eeg_letters.settings import Settings

LINE = 232
MANY = 1000
REPEATS = 7
SECONDS_A_REPEAT = 0.2

START = {
    "Python": "",
    "NumPy": "import numpy",
    "BentoML": "import bentoml",
    "the service": "import service",
    "models and rows, ready": "service.EEGLetters()",
}

Step = Callable[[], object]


def main() -> None:
    """Print both tables."""
    console = Console(width=110)
    settings = Settings()
    inference = load_inference(settings)
    logs.STDOUT = os.open(os.devnull, os.O_WRONLY)
    console.print(uvloop.run(stages(settings, inference)))
    console.print(start())


async def stages(settings: Settings, inference: Inference) -> Table:
    """CPU time of each stage of three requests, and of the whole in front of a server."""
    schema = inference.schema
    metrics = Metrics(
        {stored.model.title: stored.version for stored in inference.models}, schema.labels
    )
    access_log = AccessLog(as_json=True)
    parser, limit = RowParser(schema.features), row_limit(settings, len(schema.labels.values), 2)
    routes = build_routes(inference, metrics, settings, document(schema), {})
    application = Application(routes, settings, metrics, access_log)
    powers = np.array([inference.rows[line] for line in inference.lines])
    sizes = {1: powers[LINE : LINE + 1], MANY: powers[:MANY]}
    table = Table(title="CPU time in µs, the least of several repeats", title_justify="left")
    for heading in ("Stage", f"GET /prediction/{LINE}", "POST, 1 row", f"POST, {MANY:,} rows"):
        table.add_column(heading, justify="left" if heading == "Stage" else "right")

    def read(content: bytes) -> list[Floats]:
        return list(parser.parse(content, limit))

    def add(name: str, *cells: float | None) -> None:
        table.add_row(name, *("" if cell is None else f"{cell:,.1f}" for cell in cells))

    bodies = {number: body(rows) for number, rows in sizes.items()}
    add("read rows", None, *(least(partial(read, b)) for b in bodies.values()))
    for stored in inference.models:
        label = least(partial(stored.scorer.predict, powers[LINE]))
        one = least(partial(stored.scorer.predict_proba, powers[LINE]))
        many = least(partial(stored.scorer.predict_proba, sizes[MANY]))
        add(stored.model.title, label, one, many)
    predicted = [inference.predict(rows) for rows in sizes.values()]
    add("write the answer", None, *(least(partial(as_json, p, schema.labels)) for p in predicted))
    told = least(lambda: metrics.observe(("/predict", "POST", 200), 0.001)) + least(
        lambda: access_log.write("/predict", "POST", 200, 0.001, "0" * 32, None)
    )
    add("metrics and access log", told, told, told)
    requests = [("GET", f"/prediction/{LINE}", b"")]
    requests += [("POST", "/predict", content) for content in bodies.values()]
    whole = [await least_awaited(ask(application, *request)) for request in requests]
    add("whole application", *whole)
    return table


def start() -> Table:
    """Time and resident memory after each step of a start."""
    table = Table(title="Start of a process", title_justify="left")
    for heading in ("After", "s", "resident MB"):
        table.add_column(heading, justify="left" if heading == "After" else "right")
    script = (
        "import json, re, sys, time; told = []\n"
        "for step in json.loads(sys.argv[1]):\n"
        "    exec(step)\n"
        "    kib = re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "    told.append((time.monotonic(), int(kib) / 1000 * 1.024))\n"
        "print(json.dumps(told))\n"
    )
    runs = []
    for _ in range(REPEATS):
        begun = monotonic()
        printed = subprocess.run(
            [sys.executable, "-c", script, json.dumps([*START.values()])],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        runs.append([(at - begun, mb) for at, mb in json.loads(printed.splitlines()[-1])])
    for number, name in enumerate(START):
        seconds, megabytes = (median(run[number][part] for run in runs) for part in (0, 1))
        table.add_row(name, f"{seconds:.2f}", f"{megabytes:.0f}")
    return table


def body(rows: Floats) -> bytes:
    """A request's body with rows as lists."""
    return json.dumps({"rows": rows.tolist()}, separators=(",", ":")).encode()


def least(step: Step) -> float:
    """Microseconds of CPU that a step takes, at best."""
    times = calls(step)
    figures = []
    for _ in range(REPEATS):
        begun = process_time()
        for _ in range(times):
            step()
        figures.append((process_time() - begun) / times)
    return min(figures) * 1e6


async def least_awaited(step: Callable[[], Awaitable[None]]) -> float:
    """As `least`, of a step that is awaited."""
    figures = []
    for _ in range(REPEATS):
        times, begun = 0, process_time()
        while process_time() - begun < SECONDS_A_REPEAT:
            await step()
            times += 1
        figures.append((process_time() - begun) / times)
    return min(figures) * 1e6


def calls(step: Step) -> int:
    """How often a step is called in one repeat; the first calls warm it up."""
    times, begun = 0, process_time()
    while process_time() - begun < SECONDS_A_REPEAT:
        step()
        times += 1
    return times


def ask(
    application: Application, method: str, path: str, content: bytes
) -> Callable[[], Awaitable[None]]:
    """A call of the application with what a server would pass."""
    headers = [(b"host", b"127.0.0.1:3000"), (b"user-agent", b"stages")]
    if content:
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]
    message = {"type": "http.request", "body": content, "more_body": False}

    async def receive() -> Message:
        return message

    async def send(_: Message) -> None:
        pass

    async def once() -> None:
        scope: Scope = {"type": "http", "method": method, "path": path, "headers": headers}
        await application(scope, receive, send)

    return once


if __name__ == "__main__":
    main()
