"""A TCP forwarder between a browser and a service, which can be cut."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit


class Forwarder:
    """Forwards connections to a service while there is one.

    Attributes
    ----------
    url : str
        Where the service is for the browser.
    is_holding : bool
        Nothing of what the service sends is forwarded.
    """

    def __init__(self, server: str | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_holding = False
        self._target: Any = None
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.lead_to(server)

    def lead_to(self, server: str | None) -> None:
        """Forward later connections to another service, or to none."""
        parts = None if server is None else urlsplit(server)
        self._target = None if parts is None else (parts.hostname, parts.port)

    def cut(self) -> None:
        """End all connections without a word."""
        for pair in [*self._pairs]:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Forward until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                service = socket.create_connection(self._target or ("127.0.0.1", 0))
            except OSError:
                client.close()
                continue
            pair = (client, service)
            self._pairs.add(pair)
            threading.Thread(target=self._forward, args=(pair,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _forward(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, service = pair
        others = {client: service, service: client}
        # Each side ends by itself: what the other one has sent is not lost.
        while others:
            held = {service} if self.is_holding else set()
            for source in select.select(others.keys() - held, (), (), 0.05)[0]:
                with contextlib.suppress(OSError):
                    if data := source.recv(65536):
                        others[source].sendall(data)
                        continue
                with contextlib.suppress(OSError):
                    others[source].shutdown(socket.SHUT_WR)
                del others[source]
        client.close()
        service.close()
        self._pairs.discard(pair)


@contextmanager
def forwarding(server: str | None = None) -> Iterator[Forwarder]:
    """A forwarder to a service, until the block ends."""
    forwarder = Forwarder(server)
    thread = threading.Thread(target=forwarder.run, daemon=True)
    thread.start()
    try:
        yield forwarder
    finally:
        forwarder.close()
        thread.join(10)
