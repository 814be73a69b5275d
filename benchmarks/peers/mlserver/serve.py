"""Start MLServer on the loopback interface, with one process: no pool of inference workers."""

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
    "MLSERVER_PARALLEL_WORKERS": "0",
    "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]),
}
mlserver = str(Path(sys.executable).with_name("mlserver"))
os.execv(mlserver, [mlserver, "start", "."])
