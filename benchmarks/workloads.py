"""What the peers are asked for, and the proof that they answer alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.environments import Unavailable
from benchmarks.process import ask
from benchmarks.servers import V2, Dialect, Labels, Peer, Request, v2_binary

LINE = 232
CHECKED = (0, LINE, 700, 1299)
MANY = 1000


@dataclass(frozen=True)
class Workload:
    """A request that is sent over and over.

    Attributes
    ----------
    key : str
        Its name in the raw results.
    title : str
        Its heading.
    unit : str
        What is counted per second.
    rows : int
        Units in a request.
    connections : int
        How many clients there are.
    """

    key: str
    title: str
    unit: str = "requests/s"
    rows: int = 1
    connections: int = 16


WORKLOADS = (
    Workload("stored", f"GET /prediction/{LINE}: a stored row"),
    Workload("sent", "POST /predict: one row in the request"),
    # Few clients: of requests as long as these, a run would end with many half done.
    Workload("thousand", f"POST /predict: {MANY:,} rows in the request", "rows/s", MANY, 4),
    Workload("v2", "Open Inference Protocol: one row in JSON"),
    Workload("v2-thousand", f"Open Inference Protocol: {MANY:,} rows in JSON", "rows/s", MANY, 4),
    Workload("v2-binary", f"Open Inference Protocol: {MANY:,} rows in binary", "rows/s", MANY, 4),
)


@dataclass(frozen=True)
class Reference:
    """The stored rows and both labels of each, by line number."""

    rows: Mapping[int, Sequence[float]]
    labels: Mapping[int, Labels]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Reference:
        """Read what `benchmarks.reference` wrote."""
        rows, labels = (
            {int(line): value for line, value in document[name].items()}
            for name in ("rows", "labels")
        )
        return cls(rows, labels)

    def request(self, peer: Peer, workload: Workload) -> Request:
        """The workload's request in the peer's dialect."""
        if workload.key == "stored":
            return peer.dialect.ask_line(LINE)
        lines = [LINE] if workload.rows == 1 else [*self.rows][:MANY]
        rows = [self.rows[line] for line in lines]
        if workload.key == "v2-binary":
            return v2_binary(rows)
        dialect = V2 if workload.key.startswith("v2") else peer.dialect
        return dialect.ask_rows(rows)


def check_answers(peer: Peer, port: int, reference: Reference) -> None:
    """Make sure that a peer gives the stored pipelines' labels, by every route it has.

    Raises
    ------
    Unavailable
        When it answers anything else.
    """
    if peer.constant:
        return
    dialect = peer.dialect
    for line in CHECKED:
        answer = _answer(port, dialect.ask_line(line))
        _same(f"line {line}", dialect.read_line(answer), reference.labels[line])
    for dialect in _dialects(peer):
        for lines in ([LINE], CHECKED, [*reference.rows][:MANY]):
            answer = _answer(port, dialect.ask_rows([reference.rows[line] for line in lines]))
            right = [reference.labels[line] for line in lines]
            _same(f"{len(lines)} sent rows", dialect.read_rows(answer), right)


def _dialects(peer: Peer) -> list[Dialect]:
    own = [peer.dialect] if "sent" in peer.answers else []
    return own + [V2] * ("v2" in peer.answers and peer.dialect is not V2)


def _answer(port: int, request: Request) -> Any:
    status, body = ask(port, request)
    if status != 200:
        raise Unavailable(f"{request.method} {request.path} answers {status}")
    return json.loads(body)


def _same(what: str, labels: Any, right: Any) -> None:
    if labels != right:
        raise Unavailable(f"{what}: labels are not those of the models")
