"""The handler of ``/``: the page for a browser, a list of the routes for other clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eeg_letters.serving.routing import Handler, Request, Response, accepts, json_response

_VARY = (b"vary", b"Accept")


def build_index(page: Response, openapi: Mapping[str, Any]) -> Handler:
    """The handler of ``/``, which answers by the request's ``Accept`` header.

    Parameters
    ----------
    page : Response
        For a client whose ``Accept`` lists ``text/html``; ``*/*`` does not.
    openapi : dict
        The OpenAPI document, which the list of routes is made from.

    Returns
    -------
    Handler
    """
    as_html = replace(page, headers=(*page.headers, _VARY))
    as_json = replace(json_response(_index(openapi)), headers=(_VARY,))

    def index(request: Request) -> Response:
        wants_html = accepts(request.headers.get(b"accept", b""), b"text/html")
        return as_html if wants_html else as_json

    return index


def _index(openapi: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": openapi["info"]["title"],
        "version": openapi["info"]["version"],
        "documents": {"reference": "docs", "openapi": "docs.json"},
        "routes": {path: _route(item) for path, item in openapi["paths"].items()},
    }


def _route(item: Mapping[str, Any]) -> dict[str, Any]:
    operations = {method: item[method] for method in ("get", "post", "delete") if method in item}
    return {
        "methods": [method.upper() for method in operations],
        "description": next(iter(operations.values()))["summary"],
    }
