"""Clients that ask all the time, and remember what they were answered."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

import httpx

ROWS = 3
_BODY = json.dumps({"rows": [[1.0 + place / 7 for place in range(160)]] * ROWS})
_SECONDS = 60


class Load:
    """Asks for stored rows and for rows of its own from some threads, while the block runs.

    Parameters
    ----------
    url : str
        Of the service.
    name : str
        What the ids of its requests begin with.
    threads : int
        How many ask.
    pause : float
        Seconds that each waits after an answer.

    Attributes
    ----------
    answered : dict of str to int
        Rows of each request that was answered, by its id.
    failed : list of str
        What was answered, or happened, in place of an answer.
    times : dict of str to float
        When each answer came, by `time.monotonic`.
    """

    def __init__(self, url: str, name: str = "load", threads: int = 3, pause: float = 0) -> None:
        self.answered: dict[str, int] = {}
        self.times: dict[str, float] = {}
        self.failed: list[str] = []
        self._url = url
        self._name = name
        self._pause = pause
        self._ended = Event()
        self._may_fail = Event()
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(_SECONDS)

    def end_softly(self) -> None:
        """What fails from now on was to be expected."""
        self._may_fail.set()

    def more(self, requests: int) -> None:
        """Wait until so many more requests are answered."""
        wanted = len(self.answered) + requests
        wait_until(lambda: len(self.answered) >= wanted or bool(self.failed))

    def _ask(self, thread: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for number in itertools.count():
                if self._ended.wait(self._pause):
                    return
                identity = f"{self._name}-{thread}-{number}"
                headers = {"x-request-id": identity, "content-type": "application/json"}
                try:
                    if number % 2:
                        response = client.get("/prediction/5", headers=headers)
                    else:
                        response = client.post("/predict", content=_BODY, headers=headers)
                except httpx.TransportError as error:
                    if self._may_fail.is_set():
                        return
                    self.failed.append(repr(error))
                    return
                if response.status_code != 200:
                    self.failed.append(response.text)
                    return
                self.answered[identity] = 1 if number % 2 else ROWS
                self.times[identity] = time.monotonic()


def wait_until(holds: Callable[[], bool], seconds: float = _SECONDS) -> None:
    """Wait until something holds; the test fails where it does not within some seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
