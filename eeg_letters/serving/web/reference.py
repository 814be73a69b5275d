"""The API reference at ``/docs``: Swagger UI, from this host alone."""

from __future__ import annotations

import gzip
from hashlib import sha256
from importlib.resources import files

from eeg_letters.serving.routing import Handler, Request, Response, Route, accepts, fixed

# What the page asks for, by the name of its file, which may end in .gz; the licence is what the
# script's first line refers to.
_ASSETS = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui-bundle.js.LICENSE.txt": b"text/plain; charset=utf-8",
    "swagger-initializer.js": b"text/javascript; charset=utf-8",
    "index.css": b"text/css; charset=utf-8",
}
_POLICY = (
    b"default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self';"
    b" style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_VARY = (b"vary", b"Accept-Encoding")


class _Asset(Response):
    # For ever: another content has another path.
    cache_control = (b"cache-control", b"public, max-age=31536000, immutable")


def build_routes() -> list[Route]:
    """The routes of the reference: its page, and below it what the page asks for.

    Their paths have a digest of their content, so that browsers can keep them.

    Returns
    -------
    list of Route
    """
    packed = {name: _packed(name) for name in _ASSETS}
    digest = sha256(b"".join(packed.values())).hexdigest()[:16]
    html = _read("index.html").decode().replace("{digest}", digest)
    page = Response(
        html.encode(),
        b"text/html; charset=utf-8",
        headers=((b"content-security-policy", _POLICY),),
    )
    return [
        Route("/docs", ("GET",), fixed(page)),
        *(
            Route(
                f"/docs/{digest}/{name}",
                ("GET",),
                _asset(content, _ASSETS[name]),
            )
            for name, content in packed.items()
        ),
    ]


def _asset(packed: bytes, content_type: bytes) -> Handler:
    as_gzip = _Asset(packed, content_type, headers=((b"content-encoding", b"gzip"), _VARY))
    # Two megabytes of memory in all: to decompress for each client that does not take gzip would
    # keep the others waiting for up to 20 ms.
    plain = _Asset(gzip.decompress(packed), content_type, headers=(_VARY,))

    def asset(request: Request) -> Response:
        takes_gzip = accepts(request.headers.get(b"accept-encoding", b""), b"gzip")
        return as_gzip if takes_gzip else plain

    return asset


def _packed(name: str) -> bytes:
    file = files("eeg_letters.serving.web") / "swagger_ui" / f"{name}.gz"
    return file.read_bytes() if file.is_file() else gzip.compress(_read(name), mtime=0)


def _read(name: str) -> bytes:
    return (files("eeg_letters.serving.web") / "swagger_ui" / name).read_bytes()
