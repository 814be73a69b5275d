"""Start this project's service as it ships, from its locked requirements."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.chdir(Path(__file__).parents[3])
os.environ["EEG_TEST_DATA"] = os.environ["BENCH_ROWS"]
bentoml = str(Path(sys.executable).with_name("bentoml"))
port = os.environ["BENCH_PORT"]
os.execv(bentoml, [bentoml, "serve", "service:EEGLetters", "--host", "127.0.0.1", "--port", port])
