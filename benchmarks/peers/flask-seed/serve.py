"""Start the write-ups' application under gunicorn: one worker, its defaults otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.chdir(Path(__file__).parent)
gunicorn = str(Path(sys.executable).with_name("gunicorn"))
address = f"127.0.0.1:{os.environ['BENCH_PORT']}"
# The timeout is for a busy machine: gunicorn ends a worker that is silent for 30 s.
os.execv(gunicorn, [gunicorn, "--workers", "1", "--bind", address, "--timeout", "120", "api:app"])
