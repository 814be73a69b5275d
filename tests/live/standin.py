"""A service that speaks the protocol of ``/live`` and has the faults that a test asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from queue import Queue
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

# Does what it will on one connection; the service takes the next one from the list.
Script = Callable[[ServerConnection, "StandIn"], None]


@dataclass
class StandIn:
    """What a stand-in was sent, connection by connection."""

    url: str = ""
    ids: list[list[Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    # By which codes connections were closed.
    ended: Queue[int | None] = field(default_factory=Queue)

    def receive(self, connection: ServerConnection) -> dict[str, Any]:
        """The next row."""
        row: dict[str, Any] = json.loads(connection.recv())
        self.ids[-1].append(row["id"])
        self.rows.append(row)
        return row


def answer(row: dict[str, Any]) -> str:
    """What a service answers: the letter of the row's first number, or an error if it has none."""
    head = {name: row[name] for name in ("id", "time") if name in row}
    values = [*row["row"].values()] if isinstance(row["row"], dict) else row["row"]
    if not values:
        problem = {"type": "about:blank", "title": "Unprocessable Entity", "status": 422}
        return json.dumps({**head, "error": {**problem, "detail": "The row has 0 values."}})
    label = int(values[0])
    said = {"label": label, "letter": chr(65 + label)}
    likeliest = [{**said, "probability": 0.75}, {"label": 25, "letter": "Z", "probability": 0.25}]
    model = {**said, "likeliest": likeliest}
    decision = {**said, "probability": 0.97, "rows": 8, "stable": True}
    both = {"LDA": model, "Neural Network": model}
    return json.dumps({**head, **both, "familiar": label < 20, "decision": decision})


def answer_all(connection: ServerConnection, standin: StandIn) -> None:
    """Answer each row."""
    while True:
        connection.send(answer(standin.receive(connection)))


def refuse(status: HTTPStatus, detail: str, **headers: str) -> Callable[..., Response]:
    """Refuse a stream with a problem document."""

    def refusal(connection: ServerConnection) -> Response:
        problem = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status,
            "detail": detail,
        }
        response = connection.respond(status, json.dumps(problem))
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return refusal


@contextmanager
def stand_in(*scripts: Script | Callable[..., Response], port: int = 0) -> Iterator[StandIn]:
    """Serve on loopback: the first connection by the first script, all others by the last."""
    standin = StandIn()
    left = list(scripts) or [answer_all]

    def process(connection: ServerConnection, request: Request) -> Response | None:
        del request
        script = left[0]
        if script.__name__ != "refusal":
            return None
        if len(left) > 1:
            left.pop(0)
        refusal: Any = script
        return refusal(connection)

    def handle(connection: ServerConnection) -> None:
        standin.ids.append([])
        assert connection.request is not None
        standin.tokens.append(connection.request.headers.get("Authorization"))
        script: Any = left.pop(0) if len(left) > 1 else left[0]
        with suppress(ConnectionClosed):
            script(connection, standin)
        standin.ended.put(connection.close_code)

    with serve(handle, "127.0.0.1", port, process_request=process, compression=None) as server:
        host, bound = server.socket.getsockname()[:2]
        standin.url = f"ws://{host}:{bound}/live"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield standin
        finally:
            server.shutdown()
            thread.join()
