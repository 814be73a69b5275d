"""The peers: how each is asked and how its answers are read."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.paths import PEERS, ROOT

TITLES = ("LDA", "Neural Network")
NAMES = ("eeg-lda", "eeg-mlp")
V2_PATH = "/v2/models/eeg-letters/infer"

Labels = list[int]


@dataclass(frozen=True)
class Request:
    """An HTTP request with an optional JSON body, and a tensor in binary after it."""

    method: str
    path: str
    document: Any = None
    binary: bytes = b""

    @cached_property
    def body(self) -> bytes:
        """The document as it is sent, and the tensor after it."""
        return self._json + self.binary

    @property
    def headers(self) -> dict[str, str]:
        """What a server needs to know of the body."""
        if not self.binary:
            return {"Content-Type": "application/json"} if self.document is not None else {}
        return {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(self._json)),
        }

    @property
    def _json(self) -> bytes:
        if self.document is None:
            return b""
        return json.dumps(self.document, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Dialect:
    """How a peer is asked for a stored row and for sent rows, and how it says both labels."""

    ask_line: Callable[[int], Request]
    ask_rows: Callable[[Sequence[Sequence[float]]], Request]
    read_line: Callable[[Any], Labels]
    read_rows: Callable[[Any], list[Labels]]


def _read_line(answer: Any) -> Labels:
    return [answer[f"prediction {title}"] for title in TITLES]


def _read_rows(answer: Any) -> list[Labels]:
    return [[row[title]["label"] for title in TITLES] for row in answer["predictions"]]


def _v2_request(name: str, datatype: str, shape: list[int], data: Sequence[float]) -> Request:
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return Request("POST", V2_PATH, {"inputs": [tensor]})


def _v2_rows(rows: Sequence[Sequence[float]]) -> Request:
    values = [value for row in rows for value in row]
    return _v2_request("rows", "FP64", [len(rows), len(rows[0])], values)


def v2_binary(rows: Sequence[Sequence[float]]) -> Request:
    """Rows as the binary tensor extension has them, with an answer in binary."""
    values = array("d", [value for row in rows for value in row]).tobytes()
    tensor = {
        "name": "rows",
        "datatype": "FP64",
        "shape": [len(rows), len(rows[0])],
        "parameters": {"binary_data_size": len(values)},
    }
    document = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    return Request("POST", V2_PATH, document, values)


def _v2_read(answer: Any, names: Sequence[str]) -> list[Labels]:
    data = {output["name"]: output["data"] for output in answer["outputs"]}
    return [list(labels) for labels in zip(*(data[name] for name in names), strict=True)]


REST = Dialect(
    lambda line: Request("GET", f"/prediction/{line}"),
    lambda rows: Request("POST", "/predict", {"rows": rows}),
    _read_line,
    _read_rows,
)
POST_ONLY = Dialect(
    lambda line: Request("POST", "/predict", {"line": line}),
    REST.ask_rows,
    _read_line,
    _read_rows,
)
V2 = Dialect(
    lambda line: _v2_request("line", "INT64", [1], [line]),
    _v2_rows,
    lambda answer: _v2_read(answer, [f"prediction {name}" for name in NAMES])[0],
    lambda answer: _v2_read(answer, [f"{name}.label" for name in NAMES]),
)


@dataclass(frozen=True)
class Peer:
    """A server that is measured.

    Attributes
    ----------
    name : str
        Its folder among the peers, and its name in tables.
    about : str
        What it is and what was done for equal work, for the table's reader.
    answers : tuple of str
        Which workloads it has a route for.
    constant : bool
        Whether it answers a constant, which no label is read from.
    slow : bool
        Whether it answers so few requests that it needs a longer run, and no load before it: what
        the load generator leaves unanswered would be answered first.
    locked : bool
        Whether it is this project's service, installed from the project's own lock.
    twin : str
        Another peer whose folder and packages it has.
    environment : tuple of (str, str)
        Variables that its script has besides.
    """

    name: str
    about: str
    dialect: Dialect = REST
    answers: tuple[str, ...] = ("stored", "sent", "thousand")
    constant: bool = False
    slow: bool = False
    locked: bool = False
    twin: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """Where its script is."""
        return PEERS / (self.twin or self.name)

    @property
    def requirements(self) -> Path:
        """What is installed for it, with hashes."""
        if self.locked:
            return ROOT / "requirements" / "serve.txt"
        return self.folder / "requirements.txt"

    @property
    def asked_for(self) -> str:
        """The requirements of which that is the lock; this project's are in pyproject.toml."""
        return "" if self.locked else (self.folder / "requirements.in").read_text()


OWN = Peer(
    "eeg-letters",
    "this service as it ships",
    answers=("stored", "sent", "thousand", "v2", "v2-thousand", "v2-binary"),
    locked=True,
)
FLOOR = Peer(
    "asgi",
    "the floor: a raw ASGI function under uvicorn with uvloop and httptools; no access log, no"
    " model",
    answers=("stored", "sent"),
    constant=True,
)
PEERS_MEASURED = (
    FLOOR,
    Peer(
        "fastapi-constant",
        "FastAPI under the same uvicorn; no access log, no model",
        answers=("stored",),
        constant=True,
    ),
    Peer(
        "fastapi",
        "FastAPI under the same uvicorn (its `standard` extra: uvloop, httptools), one process as"
        " FastAPI's documentation has it for a container; scikit-learn in coroutines; return types"
        " declared, so that Pydantic writes the JSON; no access log",
    ),
    Peer(
        "bentoml-default",
        "BentoML with every default left alone: FastAPI mounted for GET, a native API for POST",
    ),
    Peer(
        "bentoml-tuned",
        "BentoML with what its configuration has for speed: `workers=1`, metrics, access log and"
        " tracing off (`excluded_urls`), uvloop and httptools installed; GET by a FastAPI route"
        " outside the class, POST by a native API, both coroutines",
    ),
    Peer(
        "mlserver",
        "a custom runtime for both models in MLServer with one inference worker, as many as there"
        " are cores (`parallel_workers`), uvloop, debug mode and with it the access log off; all"
        " requests are V2 POSTs, and there is no binary extension in its REST",
        V2,
        answers=("stored", "sent", "thousand", "v2", "v2-thousand"),
    ),
    Peer(
        "mlserver-one-process",
        "the same without inference workers (`parallel_workers=0`)",
        V2,
        answers=("stored", "sent", "thousand"),
        twin="mlserver",
        environment=(("BENCH_WORKERS", "0"),),
    ),
    Peer(
        "litserve",
        'one worker beside one API server, `fast_queue=True` (ZeroMQ), `log_level="warning"`, as'
        " LitServe's documentation has it for production; all requests are POSTs",
        POST_ONLY,
    ),
    Peer(
        "ray-serve",
        "FastAPI ingress in coroutines, one replica behind Ray's proxy, with"
        " `RAY_SERVE_THROUGHPUT_OPTIMIZED=1` and `max_ongoing_requests=1000`, as Ray Serve's guide"
        " to performance has it, and the access log off; uvloop",
    ),
    Peer(
        "flask-seed",
        "the write-ups' Flask application under gunicorn: reads recording and models every time",
        answers=("stored",),
        slow=True,
    ),
    OWN,
)
