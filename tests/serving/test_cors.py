"""What pages of other origins may do, by HTTP and in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from tests.conftest import full_memory, large_request, samples, serve_process

ORIGIN = "https://app.example.org"
OTHER = "http://localhost:8080"
STRANGERS = (
    "https://app.example.org.evil.example",
    "https://app.example.org:444",
    "http://app.example.org",
    "https://example.org",
    "null",
    "",
    "*",
)
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
}
ROW = [1.0] * 160
EXPOSED = "inference-header-content-length, read-as, retry-after, www-authenticate, x-request-id"

# Method, path, body and status: every kind of answer that does not need a busy service.
ASKED: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("GET", "/prediction/232", {}, 200),
    ("HEAD", "/score", {}, 200),
    ("POST", "/predict", {"json": {"rows": [ROW]}}, 200),
    ("GET", "/", {"headers": {"accept": "text/html"}}, 200),
    ("GET", "/docs.json", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/prediction/x", {}, 400),
    ("GET", "/nothing", {}, 404),
    ("GET", "/v2/models/nothing", {}, 404),
    ("PUT", "/score", {}, 405),
    ("OPTIONS", "/score", {}, 405),
    ("POST", "/predict", {"content": b"0" * 9_000_000, "headers": {"content-type": "a/b"}}, 415),
    ("POST", "/line", {"json": {"line": 1, "x": "x" * 2000}}, 413),
    ("POST", "/predict", {"json": {"rows": [[1]]}}, 422),
    ("POST", "/v2/models/eeg-lda/infer", {"json": {}}, 400),
)


@contextmanager
def allowing(bento: Path, origins: str, concurrency: int = 16) -> Iterator[httpx.Client]:
    with (
        serve_process(bento, EEG_CORS_ORIGINS=origins, EEG_MAX_CONCURRENCY=str(concurrency)) as (
            url,
            _,
        ),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def listed(bento: Path) -> Iterator[httpx.Client]:
    """A client of a service that allows two origins."""
    with allowing(bento, f"{ORIGIN}, {OTHER}") as client:
        yield client


@pytest.fixture(scope="module")
def public(bento: Path) -> Iterator[httpx.Client]:
    """A client of a service that allows all origins."""
    with allowing(bento, "*") as client:
        yield client


def ask(client: httpx.Client, asked: Any, **headers: str) -> httpx.Response:
    method, path, options, status = asked
    merged = {**options.get("headers", {}), **headers}
    response = client.request(method, path, **{**options, "headers": merged})
    assert response.status_code == status, response.text
    return response


def permissions(response: httpx.Response) -> dict[str, str]:
    prefix = "access-control-"
    return {
        name.removeprefix(prefix): value
        for name, value in response.headers.items()
        if name.startswith(prefix)
    }


def varies(response: httpx.Response) -> set[str]:
    return {name.strip() for name in response.headers.get("vary", "").split(",")}


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_unset_nothing_is_allowed_and_nothing_varies(client: httpx.Client, asked: Any) -> None:
    response = ask(client, asked, origin=ORIGIN)
    assert permissions(response) == {}
    assert "Origin" not in varies(response)


def test_unset_a_preflight_is_a_method_like_any_other(client: httpx.Client) -> None:
    response = client.options("/predict", headers={"origin": ORIGIN, **PREFLIGHT})
    assert response.status_code == 405
    assert permissions(response) == {}


@pytest.mark.parametrize("asked", ASKED, ids=str)
@pytest.mark.parametrize("origin", [ORIGIN, OTHER])
def test_a_listed_origin_may_read_every_answer(
    listed: httpx.Client, asked: Any, origin: str
) -> None:
    response = ask(listed, asked, origin=origin)
    assert permissions(response) == {
        "allow-origin": origin,
        "expose-headers": EXPOSED,
    }
    assert "Origin" in varies(response)


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_another_origin_is_answered_but_may_read_nothing(listed: httpx.Client, asked: Any) -> None:
    for headers in ({}, *({"origin": origin} for origin in STRANGERS)):
        response = ask(listed, asked, **headers)
        assert permissions(response) == {}
        # Or a cache would give it to pages that may read it.
        assert "Origin" in varies(response)


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_any_origin_may_read_every_answer_without_credentials(
    public: httpx.Client, asked: Any
) -> None:
    for headers in ({}, {"origin": ORIGIN}, {"origin": "null"}):
        assert permissions(ask(public, asked, **headers)) == {
            "allow-origin": "*",
            "expose-headers": EXPOSED,
        }


@pytest.mark.parametrize("path", ["/predict", "/score", "/v2/models/eeg-lda/infer", "/nothing"])
def test_a_preflight_tells_methods_and_headers(listed: httpx.Client, path: str) -> None:
    response = listed.options(path, headers={"origin": ORIGIN, **PREFLIGHT})
    assert response.status_code == 200
    assert response.content == b""
    told = permissions(response)
    assert told["allow-origin"] == ORIGIN
    assert set(told["allow-methods"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}
    assert set(told["allow-headers"].split(", ")) > {
        *("authorization", "content-type", "inference-header-content-length", "traceparent"),
        *("x-request-id", "x-session-id"),
    }
    assert int(told["max-age"]) > 60
    assert "allow-credentials" not in told
    assert "Origin" in varies(response)


def test_a_preflight_of_another_origin_is_not_allowed(
    listed: httpx.Client, public: httpx.Client
) -> None:
    for origin in STRANGERS:
        response = listed.options("/predict", headers={"origin": origin, **PREFLIGHT})
        assert "allow-origin" not in permissions(response)
        assert "Origin" in varies(response)
        response = public.options("/predict", headers={"origin": origin, **PREFLIGHT})
        assert permissions(response)["allow-origin"] == "*"


def test_preflights_make_one_series(listed: httpx.Client) -> None:
    for number in range(20):
        listed.options(f"/{number}/x", headers={"origin": ORIGIN, **PREFLIGHT})
    found = {dict(labels)["route"] for name, labels in samples(listed) if "requests_total" in name}
    assert "preflight" in found
    labels = frozenset({("route", "preflight"), ("method", "OPTIONS"), ("status", "200")})
    assert samples(listed)["eeg_http_requests_total", labels] >= 20


def test_refusals_under_overload_can_be_read_too(bento: Path) -> None:
    with (
        allowing(bento, ORIGIN, concurrency=1) as client,
        full_memory(str(client.base_url)),
    ):
        response = large_request(str(client.base_url), origin=ORIGIN)
        assert response.status_code == 503
        assert permissions(response)["allow-origin"] == ORIGIN
        preflight = client.options("/predict", headers={"origin": ORIGIN, **PREFLIGHT})
        assert preflight.status_code == 200


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Origin of a server of pages that is not the service."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "index.html").write_text("<!doctype html><title>Elsewhere</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ASK = """
async ([url, options]) => {
  try {
    const response = await fetch(url, options);
    const header = response.headers.get("x-request-id");
    return { status: response.status, header, answer: await response.json() };
  } catch (error) {
    return { error: error.name };
  }
}
"""


def test_a_browser_lets_pages_of_listed_origins_alone_read_answers(
    browser: Browser, bento: Path, server: str, elsewhere: str
) -> None:
    as_json = {"Content-Type": "application/json", "X-Request-ID": "from-elsewhere"}
    post = {"method": "POST", "headers": as_json}
    with allowing(bento, elsewhere) as client:
        context = browser.new_context()
        page = context.new_page()

        def fetch(url: str, path: str, **options: Any) -> Any:
            return page.evaluate(ASK, [f"{url}{path}", options])

        page.goto(elsewhere)
        allowed = str(client.base_url)
        score = fetch(allowed, "/score")
        assert score["status"] == 200
        assert score["answer"] == client.get("/score").json()
        assert score["header"]
        predicted = fetch(allowed, "/predict", **post, body=json.dumps({"rows": [ROW]}))
        assert (predicted["status"], predicted["header"]) == (200, "from-elsewhere")
        assert len(predicted["answer"]["predictions"]) == 1
        refused = fetch(allowed, "/predict", **post, body=json.dumps({"rows": [[1]]}))
        assert refused["status"] == refused["answer"]["status"] == 422
        missing = fetch(allowed, "/nothing", **post, body="{}")
        assert missing["status"] == 404
        failed = {"error": "TypeError"}
        # Neither with credentials, nor by another method, nor where nothing is set, nor from
        # another origin.
        assert fetch(allowed, "/score", credentials="include") == failed
        assert fetch(allowed, "/score", method="PUT") == failed
        assert fetch(server, "/score") == failed
        assert fetch(server, "/predict", **post, body=json.dumps({"rows": [ROW]})) == failed
        page.goto(elsewhere.replace("127.0.0.1", "localhost"))
        assert fetch(allowed, "/score") == failed
        context.close()
