"""HTTP requests whose failures cannot hide: no connection is kept or reused, nothing is retried."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes


def fetch(url: str, body: bytes | None = None, seconds: float = 10) -> Answer:
    """One request on a connection of its own: GET, or POST of a JSON body."""
    parts = urlsplit(url)
    https = parts.scheme == "https"
    connect = http.client.HTTPSConnection if https else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=seconds)
    headers = {"Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request("GET" if body is None else "POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        content_type = response.getheader("Content-Type", "")
        return Answer(response.status, content_type, response.read())
    finally:
        connection.close()


class Load:
    """Steady GET requests from a few threads while the `with` block runs.

    Ends by itself after `requests` requests or `seconds` seconds, and counts that as a failure: a
    load that ended early says nothing of what came after.
    """

    def __init__(
        self,
        url: str,
        threads: int = 4,
        pause: float = 0.02,
        requests: int = 50_000,
        seconds: float = 600,
    ) -> None:
        self.sent = 0
        self.failures: list[str] = []
        self._url = url
        self._pause = pause
        self._left = requests
        self._seconds = seconds
        self._end = float("inf")
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        self._end = time.monotonic() + self._seconds
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = 60) -> None:
        """Wait until so many more requests have been sent and have ended."""
        with self._news:
            target = self.sent + more
            if not self._news.wait_for(lambda: self.sent >= target, seconds):
                self.failures.append(f"no {more} requests within {seconds} s")

    def _send(self) -> None:
        while not self._stop.is_set():
            if not self._may_go_on():
                return
            failure = self._try()
            with self._news:
                self.sent += 1
                if failure:
                    self.failures.append(failure)
                self._news.notify_all()
            self._stop.wait(self._pause)

    def _may_go_on(self) -> bool:
        with self._news:
            if self._left and time.monotonic() < self._end:
                self._left -= 1
                return True
            self.failures.append("the load ended before what it was to go with")
            return False

    def _try(self) -> str | None:
        at = time.strftime("%H:%M:%S")
        try:
            status = fetch(self._url).status
        except (OSError, http.client.HTTPException) as error:
            return f"{at} {type(error).__name__}: {error}"
        return None if 200 <= status < 300 else f"{at} status {status}"
