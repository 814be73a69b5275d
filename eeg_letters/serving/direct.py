"""Whole requests that are answered at once: without a task, and without ASGI's messages."""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from eeg_letters.serving.asgi import Answer, Application
from eeg_letters.serving.bodies import Header
from eeg_letters.serving.transport import OneWrite

_LINE = b": ".join


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's protocol; the parser's callback answers requests that are whole when they are read.

    That spares an ASGI scope, messages and a task for each. All other requests go uvicorn's way.

    Parameters
    ----------
    application : Application
        Answers them, or leaves them to uvicorn.
    *arguments, **named
        As uvicorn passes them.
    """

    def __init__(self, application: Application, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Without uvicorn's reading of forwarded addresses, of which nothing here makes any use.
        self.app: Any = self.config.app
        self._application = application
        # Of the newest request while it may be answered at once: what has arrived of its body.
        self._held: list[bytes] | None = None
        self.answers_directly = self.app is application
        self._path = ""
        # One in a turn of the event loop.
        self.may_hold = self.answers_directly

    def connection_made(self, transport: BaseTransport) -> None:  # noqa: D102
        self._writer = OneWrite(transport, self.loop)
        super().connection_made(self._writer)  # type: ignore[arg-type]

    def on_message_begin(self) -> None:  # noqa: D102
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def take_head(self, is_usual: bool) -> None:
        """Go on with a request whose head is complete.

        Parameters
        ----------
        is_usual : bool
            Whether it is HTTP/1.1, its body neither chunked nor compressed.
        """
        if is_usual and self.may_hold and self._is_usual():
            self._path = path_of(self.url)
            self._held = []
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:  # noqa: D102
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:  # noqa: D102
        if self._held is not None:
            if self._answer_at_once(b"".join(self._held)):
                self._held = None
                return
            self.begin_held()
        super().on_message_complete()

    def begin_held(self) -> None:
        """Leave a request to uvicorn, if one is held."""
        if self._held is not None:
            held, self._held = self._held, None
            self._begin()
            for body in held:
                super().on_body(body)

    def _begin(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers
        super().on_headers_complete()

    def _is_usual(self) -> bool:
        parser = self.parser
        return (
            (self.cycle is None or self.cycle.response_complete)
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _answer_at_once(self, body: bytes) -> bool:
        method = self.parser.get_method()
        if method == b"HEAD":
            return False
        answer = self._application.answer(
            method.decode("ascii"),
            self._path,
            self.scheme or "http",
            self.headers,
            body,
            b"?" in self.url,
        )
        if answer is None:
            return False
        self.may_hold = False
        self.write_answer(answer)
        self.server_state.total_requests += 1
        self.answered_at_once()
        return True

    def write_answer(self, answer: Answer, *more: Header) -> None:
        """Write a whole answer, with uvicorn's headers and more of them, as one."""
        status, headers, body = answer
        lines = map(_LINE, (*self.server_state.default_headers, *headers, *more))
        self._writer.write_whole(
            b"%b%b\r\n\r\n%b" % (STATUS_LINE[status], b"\r\n".join(lines), body)
        )

    def answered_at_once(self) -> None:
        """Wait for the next request, as uvicorn does after an answer."""
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )


def path_of(url: bytes) -> str:
    """The path of a request's target, as uvicorn has it."""
    path: str = httptools.parse_url(url).path.decode("ascii")
    return unquote(path) if "%" in path else path
