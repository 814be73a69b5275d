"""Start MLServer on the loopback interface, with one inference worker for the one core there is.

So its documentation has it: as many workers as cores. ``BENCH_WORKERS=0`` is MLServer without its
pool of workers, ``BENCH_DEBUG=true`` its default.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

folder = Path(__file__).parent
port = int(os.environ["BENCH_PORT"])
os.chdir(folder)
os.environ |= {
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_HTTP_PORT": str(port),
    "MLSERVER_GRPC_PORT": str(port + 1),
    "MLSERVER_METRICS_PORT": str(port + 2),
    "MLSERVER_PARALLEL_WORKERS": os.environ.get("BENCH_WORKERS", "1"),
    # Of its debug mode, which is on by default, the access log is a part.
    "MLSERVER_DEBUG": os.environ.get("BENCH_DEBUG", "false"),
    "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]),
}
mlserver = str(Path(sys.executable).with_name("mlserver"))
os.execv(mlserver, [mlserver, "start", "."])
