"""The routes in place of BentoML's own HTTP server, inside a BentoML service."""

from __future__ import annotations

import gc
from typing import Any

import bentoml

from eeg_letters import openapi
from eeg_letters.http import Application, ASGIApp, Message, Receive, Scope, Send
from eeg_letters.routes import build_routes
from eeg_letters.settings import Settings


class HTTPService(bentoml.Service[Any]):
    """A BentoML service whose every path is answered by `eeg_letters.routes`.

    BentoML builds, packs and supervises it, creates the instance and describes it to its clients;
    docs/decisions/0001-own-http-layer.md says why it does not answer requests.
    """

    @property
    def openapi_spec(self) -> dict[str, Any]:
        """The OpenAPI document, which a built Bento carries too."""
        return openapi.document()

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Build the ASGI application that a worker serves."""
        lifespan: ASGIApp = super().to_asgi(is_main)
        application: Application | None = None

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and application is not None:
                await application(scope, receive, send)
            elif scope["type"] == "lifespan":
                await lifespan(scope, receive, starting(send))

        def starting(send: Send) -> Send:
            async def send_when_ready(message: Message) -> None:
                nonlocal application
                if message["type"] == "lifespan.startup.complete":
                    application = self._build_application(bentoml.get_current_service())
                await send(message)

            return send_when_ready

        return serve

    def _build_application(self, instance: Any) -> Application:
        settings: Settings = instance.settings
        application = Application(
            build_routes(instance.inference, self.openapi_spec, self.schema()),
            settings.max_body_bytes,
        )
        # A full collection over all that was just loaded would stop the worker for 0.2 s.
        gc.collect()
        gc.freeze()
        return application
