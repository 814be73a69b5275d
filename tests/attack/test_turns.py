"""Requests that are much work: none keeps the event loop, and the others waiting, for over 5 ms."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, environment, samples

MOST_MS = 5.0

# The application as the service makes it, on an event loop that measures each of its turns, in CPU
# time, which other processes do not lengthen. Of 20 tries the best: others empty the caches.
MEASURE = r"""
import asyncio, json, re, time
from service import EEGLetters

application = EEGLetters.to_asgi()
longest = 0.0
run = asyncio.Handle._run

def measured(handle):
    global longest
    started = time.thread_time()
    run(handle)
    longest = max(longest, time.thread_time() - started)

asyncio.Handle._run = measured

async def answer(method, path, headers, body):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "scheme": "http", "path": path, "headers": headers}
    await application(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)

def ask(method, path, *headers, body=b""):
    return asyncio.run(answer(method, path, headers, body))

found = []

def measure(name, *request, status=200, **body):
    global longest
    turns = []
    for _ in range(20):
        longest = 0.0
        assert ask(*request, **body)[0] == status
        turns.append(1000 * longest)
    found.append((name, min(turns)))

document = json.loads(ask("GET", "/docs.json")[1])
paths = {
    path: path.format_map({each["name"]: each["example"] for each in item.get("parameters", ())})
    for path, item in document["paths"].items()
}
reference = ask("GET", "/docs")[1].decode()
for path in [f"/{path}" for path in re.findall('="(docs/[^"]+)"', reference)]:
    measure(f"{path}, unpacked", "GET", path)
    measure(f"{path}, packed", "GET", path, (b"accept-encoding", b"gzip"))
for path, item in document["paths"].items():
    if "get" in item:
        measure(path, "GET", paths[path])

# What a client can make of /metrics: the parser beneath knows 33 methods.
for path in paths.values():
    for number in range(33):
        ask(f"METHOD{number}", path)
measure("/metrics, of all series", "GET", "/metrics")

row = [round(0.5 + 0.01 * number, 3) for number in range(160)]
named = dict(zip(json.loads(ask("GET", "/models")[1])[0]["feature_names"], row))
tensor = {"name": "rows", "datatype": "FP64", "shape": [2000, 160]}
INFER = "/v2/models/eeg-letters/infer"
as_json = (b"content-type", b"application/json")
for name, path, body in (
    ("lists", "/predict", {"rows": [row] * 2000}),
    ("objects", "/predict", {"rows": [named] * 2000}),
    ("a flat tensor", INFER, {"inputs": [{**tensor, "data": row * 2000}]}),
    ("a tensor of rows", INFER, {"inputs": [{**tensor, "data": [row] * 2000}]}),
):
    measure(f"2,000 rows as {name}", "POST", path, as_json, body=json.dumps(body).encode())

# Nearly as large as a body may be.
long = [number + 1 / 3 for number in row]
for name, data, status in (
    ("long numbers", [long] * 2000, 200),
    ("numbers in a list too many", [[long]] * 2000, 400),
    ("short rows", [[1]] * 1_500_000, 400),
    ("unfinished rows", [[1], *[1] * 2_500_000], 400),
):
    for path, body in (
        ("/predict", {"rows": data}),
        (INFER, {"inputs": [{**tensor, "data": data}]}),
    ):
        body = json.dumps(body).encode()
        assert 5e6 < len(body) < 2**23, len(body)
        refused = 422 if path == "/predict" and status == 400 else status
        measure(f"{name}, {path}", "POST", path, as_json, body=body, status=refused)
print(json.dumps(found))
"""


def test_every_turn_is_short(trained_home: Path) -> None:
    variables = environment(trained_home)
    # Measured lines take several times as long.
    variables = {name: text for name, text in variables.items() if "COVERAGE" not in name}
    finished = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    turns = json.loads(finished.stdout.splitlines()[-1])
    assert len(turns) > 30
    assert [(name, ms) for name, ms in turns if ms > MOST_MS] == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_reference_costs_no_more_without_gzip(client: httpx.Client, method: str) -> None:
    script = re.search(r'src="(docs/[^"]+bundle\.js)"', client.get("/docs").text)
    assert script

    def cpu_seconds() -> float:
        return samples(client)["process_cpu_seconds_total", frozenset()]

    before = cpu_seconds()
    for _ in range(100):
        response = client.request(method, f"/{script[1]}", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in response.headers
    # Each took 8 ms of CPU and more where it was decompressed.
    assert cpu_seconds() - before < 100 * MOST_MS / 1000
