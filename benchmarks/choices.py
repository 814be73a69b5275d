"""What was chosen, and what else could have been: both measured in one run, without a server.

Run it from the repository root with models in the store: ``python -m benchmarks.choices``. It takes
a minute or two; the ratios mean something where nothing else wants the cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import partial
from time import process_time
from typing import Any, NamedTuple

# One thread, as the image has it; NumPy reads this when it is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import bentoml
import numpy as np
import orjson
import uvicorn
import uvloop
from bentoml._internal.log import configure_server_logging
from rich.console import Console
from rich.table import Table
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks.stages import LINE, MANY, Step, ask, body
from eeg_letters import logs
from eeg_letters.answers import as_json
from eeg_letters.bulk import BulkScorer, score
from eeg_letters.http import Application, Message, Receive, Response, Route, Scope, Send
from eeg_letters.inference import Inference, load_inference
from eeg_letters.logs import AccessLog
from eeg_letters.metrics import Metrics
from eeg_letters.openapi import document
from eeg_letters.protocol import BoundedProtocol, _OneWrite
from eeg_letters.recordings import LETTERS
from eeg_letters.routes import build_routes
from eeg_letters.rows import parse_lists, parse_rows, to_array
from eeg_letters.settings import Settings

REPEATS = 60
SECONDS_A_REPEAT = 0.01

FEW = 10
# What of a large request is answered at a time.
PART = 70
BODY_SECONDS = 30
BULK_ROWS = 4096
GET = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nuser-agent: choices\r\naccept: */*\r\n\r\n"


class Choice(NamedTuple):
    """What a choice costs, and what it would cost otherwise, in µs or what `unit` says."""

    what: str
    chosen: str
    other: str
    cost: float
    other_cost: float
    unit: str = "µs"


def main() -> None:
    """Print a table."""
    settings = Settings()
    inference = load_inference(settings)
    logs.STDOUT = os.open(os.devnull, os.O_WRONLY)
    table = Table(title="CPU time, the least of several repeats", title_justify="left")
    for heading in ("What", "Chosen", "Otherwise", "Unit", "Chosen", "Otherwise", "Ratio"):
        table.add_column(heading, justify="right" if len(table.columns) > 3 else "left")
    console = Console(width=130)
    with console.status("Measuring"):
        for choice in [
            *scorers(inference),
            *bulk(inference),
            *bodies(inference),
            *uvloop.run(requests(inference, settings)),
            *processes(),
            *uvloop.run(bentomls_application()),
        ]:
            figures = (choice.cost, choice.other_cost)
            table.add_row(
                *(choice.what, choice.chosen, choice.other, choice.unit),
                *(f"{figure:,.1f}" if figure >= 1 else f"{figure:.2f}" for figure in figures),
                f"{choice.other_cost / choice.cost:.2f}",
            )
    console.print(table)


def scorers(inference: Inference) -> Iterator[Choice]:
    """One row by plain arrays, and the ways in which they could lie and be reduced."""
    row = inference.rows[LINE]
    rows = np.array([*inference.rows.values()])[:MANY]
    for stored in inference.models:
        pipeline = bentoml.sklearn.load_model(f"{stored.model.name}:{stored.version}")
        del pipeline[0].feature_names_in_  # It would be asked for a data frame.
        for what, step, other in (
            ("label", stored.scorer.predict, pipeline.predict),
            ("probabilities", stored.scorer.predict_proba, pipeline.predict_proba),
        ):
            costs = leasts(partial(step, row), partial(other, row[np.newaxis]))
            yield Choice(f"{stored.model.title}, {what} of a row", "arrays", "scikit-learn", *costs)
    perceptron = inference.models[-1].scorer
    by_row = replace(perceptron, weights=[*map(np.ascontiguousarray, perceptron.weights)])
    costs = leasts(partial(perceptron.predict, row), partial(by_row.predict, row))
    yield Choice("Neural Network, label of a row", "Fortran order", "C order", *costs)
    weight = perceptron.weights[0]
    single = weight.astype(np.float32, order="F")
    flushed = np.where(np.abs(single) < np.finfo(np.float32).tiny, np.float32(0), single)
    flushed = np.asfortranarray(flushed)
    for name, signal in (("1 row", row), (f"{MANY:,} rows", rows)):
        signal32 = signal.astype(np.float32)
        cost, as_it_is, without_denormals = leasts(
            partial(signal.dot, weight),
            partial(signal32.dot, single),
            partial(signal32.dot, flushed),
        )
        what = f"perceptron's first layer, {name}"
        yield Choice(what, "float64", "float32", cost, as_it_is)
        yield Choice(what, "float64", "float32, denormals 0", cost, without_denormals)
    logits = inference.models[0].scorer.predict_proba(row)
    costs = leasts(
        lambda: (
            np.maximum.reduce(logits, axis=-1, keepdims=True),
            np.add.reduce(logits, axis=-1, keepdims=True),
        ),
        lambda: (logits.max(axis=-1, keepdims=True), logits.sum(axis=-1, keepdims=True)),
    )
    yield Choice("maximum and sum of 26 logits", "ufunc.reduce", "methods max, sum", *costs)


def bulk(inference: Inference) -> Iterator[Choice]:
    """Whole files: a chunk's rows by both models."""
    stored = np.array([*inference.rows.values()])
    rows = np.resize(stored, (BULK_ROWS, stored.shape[1]))
    columns = np.ascontiguousarray(rows.T)
    folded = [BulkScorer(model.scorer) for model in inference.models]

    def by_scorers() -> None:
        for start in range(0, BULK_ROWS, 256):
            part = np.ascontiguousarray(columns[:, start : start + 256].T)
            for model in inference.models:
                probabilities = model.scorer.predict_proba(part)
                probabilities.argmax(axis=1)
                probabilities.max(axis=1)

    def products() -> None:
        for start in range(0, BULK_ROWS, 256):
            for model in inference.models:
                signal = rows[start : start + 256]
                for weight in model.scorer.weights:
                    signal = signal.dot(weight)

    cost, scored, multiplied = leasts(
        partial(score, folded, columns, every=False), by_scorers, products
    )
    what, chosen = "both models, rows of a file", "folded into products"
    for other, figure in (("scorers", scored), ("products alone", multiplied)):
        yield Choice(what, chosen, other, cost / BULK_ROWS, figure / BULK_ROWS, "µs a row")


def bodies(inference: Inference) -> Iterator[Choice]:
    """Rows read from a request's body, and predictions written to an answer's."""
    rows = np.array([*inference.rows.values()])[:MANY]
    small, large = body(rows[:FEW]), body(rows)
    yield per_row(
        f"read {FEW} rows",
        "simdjson",
        "orjson, array",
        FEW,
        lambda: parse_lists(small, is_body=True),
        lambda: to_array(orjson.loads(small)["rows"]),
    )
    yield per_row(
        f"read {MANY:,} rows",
        "simdjson, in parts",
        "orjson, array, at once",
        MANY,
        lambda: [*parse_rows(large, MANY)],
        lambda: to_array(orjson.loads(large)["rows"]),
    )
    predictions = inference.predict(rows[:PART])

    def by_dicts() -> bytes:
        by_model = [
            [
                {"label": label, "letter": LETTERS[label], "probabilities": of_row}
                for label, of_row in zip(one.labels, one.probabilities, strict=True)
            ]
            for one in predictions
        ]
        titles = [one.title for one in predictions]
        documents = [dict(zip(titles, row, strict=True)) for row in zip(*by_model, strict=True)]
        return orjson.dumps(documents, option=orjson.OPT_SERIALIZE_NUMPY)

    if orjson.loads(by_dicts()) != orjson.loads(b"[%b]" % as_json(predictions)):
        raise ValueError("both ways to write an answer must write the same")
    yield per_row(
        f"write {PART} rows",
        "from the array",
        "a dict a row",
        PART,
        lambda: as_json(predictions),
        by_dicts,
    )


def per_row(what: str, chosen: str, other: str, n_rows: int, *steps: Step) -> Choice:
    """A choice between two steps that do a number of rows each."""
    cost, other_cost = (figure / n_rows for figure in leasts(*steps))
    return Choice(what, chosen, other, cost, other_cost, "µs a row")


async def requests(inference: Inference, settings: Settings) -> list[Choice]:
    """Around an answer: its body's time limit, its making, its writing, the protocol beneath."""
    message = {"type": "http.request", "body": b"", "more_body": False}
    loop = asyncio.get_running_loop()

    async def receive() -> Message:
        return message

    async def plainly() -> None:
        await receive()

    async def in_time() -> None:
        async with asyncio.timeout(BODY_SECONDS):
            await receive()

    async def by_timer() -> None:
        timer = loop.call_later(BODY_SECONDS, print)
        await receive()
        timer.cancel()

    timeout, plain, timer = await leasts_awaited(in_time, plainly, by_timer)
    what, chosen = "wait for a body that is there", "asyncio.timeout"
    choices = [
        Choice(what, chosen, "no limit", timeout, plain),
        Choice(what, chosen, "own timer", timeout, timer),
    ]
    metrics = Metrics({stored.model.title: stored.version for stored in inference.models})
    routes = build_routes(inference, metrics, settings.max_rows, document("0"), {})
    application = Application(routes, settings, metrics, AccessLog(as_json=True))
    costs = await leasts_awaited(
        ask(application, "GET", f"/prediction/{LINE}", b""), ask(application, "GET", "/score", b"")
    )
    choices.append(Choice("GET of a stored row", "predicted", "answer in advance", *costs))
    with discarding() as peer:
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=peer)
        head, content = b"x" * 300, b"y" * 45

        async def one_write() -> None:
            transport.writelines([head, content])
            await asyncio.sleep(0)

        async def two_writes() -> None:
            transport.write(head)
            await asyncio.sleep(0)
            transport.write(content)
            await asyncio.sleep(0)

        async def two_in_a_turn() -> None:
            transport.write(head)
            transport.write(content)
            await asyncio.sleep(0)

        what, chosen = "head and body of an answer", "one write"
        one, two, at_once = await leasts_awaited(one_write, two_writes, two_in_a_turn)
        choices += [
            Choice(what, chosen, "two, one after the other", one, two),
            Choice(what, chosen, "two at once", one, at_once),
        ]
        transport.close()
    bounded = partial(BoundedProtocol, application.refuse, float(BODY_SECONDS))
    ours, theirs, forwarded = await leasts_awaited(
        served(bounded, _Nowhere(), False),
        served(HttpToolsProtocol, _OneWrite(_Nowhere(), loop), False),
        served(HttpToolsProtocol, _OneWrite(_Nowhere(), loop), True),
    )
    what, chosen = "protocol, one GET", "bounded"
    return [
        *choices,
        Choice(what, chosen, "uvicorn's", ours, theirs),
        Choice(what, chosen, "and forwarded addresses", ours, forwarded),
    ]


@contextmanager
def discarding() -> Iterator[socket.socket]:
    """A connection over loopback to a process that reads all and keeps nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with near, far:
        reader = subprocess.Popen(["cat"], stdin=far.fileno(), stdout=subprocess.DEVNULL)
        far.close()
        try:
            yield near
        finally:
            reader.kill()
            reader.wait()


class _Nowhere(asyncio.Transport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 3000) if name in {"peername", "sockname"} else default

    def write(self, data: Any) -> None:
        pass

    def writelines(self, list_of_data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def served(
    protocol: Callable[..., Any], transport: Any, proxy_headers: bool
) -> Callable[[], Awaitable[None]]:
    """One request on a connection that leads nowhere, answered by next to nothing."""
    config = uvicorn.Config(
        trivial, http=protocol, proxy_headers=proxy_headers, log_config=None, access_log=False
    )
    config.load()
    connection = protocol(config=config, server_state=ServerState(), app_state={})
    connection.connection_made(transport)

    async def once() -> None:
        connection.data_received(GET)
        while not connection.cycle.response_complete:
            await asyncio.sleep(0)

    return once


async def trivial(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    """Answer without a look at the request."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"1"})


def leasts(*steps: Step) -> list[float]:
    """Microseconds of CPU that each step takes, at best; in turns, so that all see one machine."""
    figures: list[list[float]] = [[] for _ in steps]
    for _ in range(REPEATS):
        for step, of_step in zip(steps, figures, strict=True):
            times, begun = 0, process_time()
            while (spent := process_time() - begun) < SECONDS_A_REPEAT:
                step()
                times += 1
            of_step.append(spent / times)
    return [min(of_step) * 1e6 for of_step in figures]


async def leasts_awaited(*steps: Callable[[], Awaitable[None]]) -> list[float]:
    """As `leasts`, of steps that are awaited."""
    figures: list[list[float]] = [[] for _ in steps]
    for _ in range(REPEATS):
        for step, of_step in zip(steps, figures, strict=True):
            times, begun = 0, process_time()
            while (spent := process_time() - begun) < SECONDS_A_REPEAT:
                await step()
                times += 1
            of_step.append(spent / times)
    return [min(of_step) * 1e6 for of_step in figures]


def processes() -> Iterator[Choice]:
    """What can be told of a process of its own alone."""
    collected, frozen = run(
        "import gc, json, time; import service, uvicorn; it = service.EEGLetters(); gc.collect()\n"
        "def seconds():\n"
        "    begun = time.process_time(); gc.collect(); return time.process_time() - begun\n"
        "before = min(seconds() for _ in range(5)); gc.freeze()\n"
        "print(json.dumps([before, min(seconds() for _ in range(5))]))"
    )
    what, chosen = "full garbage collection", "after gc.freeze()"
    yield Choice(what, chosen, "without", frozen * 1e3, collected * 1e3, "ms")
    threads = [
        run(
            "import json, numpy\n"
            "from benchmarks.stages import least\n"
            "from eeg_letters.inference import load_inference\n"
            "from eeg_letters.settings import Settings\n"
            "it = load_inference(Settings()); rows = numpy.array([*it.rows.values()])[:1000]\n"
            "print(json.dumps([least(lambda: it.predict(rows))]))",
            OPENBLAS_NUM_THREADS=str(number),
        )[0]
        for number in (1, 2)
    ]
    yield Choice(f"both models, {MANY:,} rows", "one BLAS thread", "two", *threads)
    own, bentomls = (
        run(
            "import json, re, resource, time; import service; it = service.EEGLetters()\n"
            f"import {imported}\n"
            "kib = re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
            "print(json.dumps([time.process_time(), int(kib) / 1000 * 1.024]))"
        )
        for imported in ("eeg_letters.protocol", "eeg_letters.protocol, _bentoml_impl.server.app")
    )
    what, chosen, other = "start", "own application", "and BentoML's"
    yield Choice(what, chosen, other, own[0] * 1e3, bentomls[0] * 1e3, "ms")
    yield Choice(what, chosen, other, own[1], bentomls[1], "MB")


def run(script: str, **environment: str) -> list[float]:
    """The list of figures that a script prints as JSON."""
    printed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    figures: list[float] = json.loads(printed.splitlines()[-1])
    return figures


async def bentomls_application() -> list[Choice]:
    """A trivial route in our application and mounted in BentoML's, which loses part after part."""
    route = Route("/trivial/x", ("GET",), lambda: Response(b"1"))
    own = Application([route], Settings(), Metrics({}), AccessLog(as_json=True))
    quiet = {"metrics": {"enabled": False}, "logging": {"access": {"enabled": False}}}
    others = {
        "BentoML's": mounted(),
        "without its metrics": mounted(metrics=quiet["metrics"]),
        "nor its access log": mounted(**quiet),
        "nor OpenTelemetry": mounted(False, **quiet),
    }
    configure_server_logging()
    # BentoML's access log.
    standard_output = os.dup(1)
    os.dup2(logs.STDOUT, 1)
    try:
        async with AsyncExitStack() as stack:
            for application in others.values():
                await stack.enter_async_context(application.router.lifespan_context(application))
            cost, *figures = await leasts_awaited(
                *(
                    ask(application, "GET", "/trivial/x", b"")
                    for application in (own, *map(with_whole_scope, others.values()))
                )
            )
    finally:
        os.dup2(standard_output, 1)
        os.close(standard_output)
    return [
        Choice("a trivial route", "own application", other, cost, figure)
        for other, figure in zip(others, figures, strict=True)
    ]


def mounted(traced: bool = True, **config: Any) -> Any:
    """BentoML's own application with these settings, and a trivial one mounted in it."""

    @bentoml.service(name="trivial", **config)
    class Trivial:
        pass

    Trivial.mount_asgi_app(trivial, path="/trivial")
    application = Trivial.to_asgi()
    if not traced:
        application.user_middleware = [
            one for one in application.user_middleware if "OpenTelemetry" not in one.cls.__name__
        ]
    return application


def with_whole_scope(application: Any) -> Any:
    """An application that is told what a server would tell it of a request, too."""
    rest = {
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3000),
        "scheme": "http",
        "http_version": "1.1",
        "raw_path": b"/trivial/x",
        "root_path": "",
        "query_string": b"",
    }

    async def filled(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, **rest}, receive, send)

    return filled


if __name__ == "__main__":
    main()
