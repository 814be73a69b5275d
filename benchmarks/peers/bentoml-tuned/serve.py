"""Start ``bentoml serve``; uvicorn finds uvloop and httptools by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.chdir(Path(__file__).parent)
bentoml = str(Path(sys.executable).with_name("bentoml"))
port = os.environ["BENCH_PORT"]
os.execv(bentoml, [bentoml, "serve", "service:Letters", "--host", "127.0.0.1", "--port", port])
