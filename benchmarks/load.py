"""Load from wrk on the other core."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import ANSWER_SECONDS, HOST
from benchmarks.servers import Request

LOAD_CORE = "1"
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Measured:
    """What one run of wrk counted; latencies in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate(self) -> float:
        """Requests answered rightly per second."""
        return max(self.requests - self.errors, 0) / self.seconds


def put_under_load(port: int, request: Request, connections: int, seconds: int) -> Measured:
    """Send a request over and over from several connections at once."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(request.body)
        body.flush()
        output = subprocess.run(
            [
                *("taskset", "-c", LOAD_CORE, "wrk", "--latency", "--threads", "1"),
                *("--connections", str(connections), "--duration", f"{seconds}s"),
                *("--timeout", f"{ANSWER_SECONDS}s", "--script", str(_SCRIPT)),
                *(f"http://{HOST}:{port}{request.path}", "--", request.method),
                *([body.name] if request.body else []),
                *(text for header in request.headers.items() for text in header),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds + ANSWER_SECONDS,
        ).stdout
    found = re.search(r"^JSON (.*)$", output, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk said nothing of use: {output}")
    return Measured(**json.loads(found[1]))
