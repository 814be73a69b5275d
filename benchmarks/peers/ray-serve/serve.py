"""Ray Serve with a FastAPI ingress: one replica, and the proxy that Ray puts in front of it.

Ray has no setting for the address of one of the replica's ports, a gRPC one that nothing here asks.
No deferred annotations here: FastAPI could not resolve them after Ray has pickled the class.
"""

import os
import signal
import sys
import tempfile
from typing import Any

# Ray reads it when it is imported.
os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = "1"

import ray
from common import HOST, PORT, Models
from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve

app = FastAPI()


class Rows(BaseModel):
    """Rows of a client's own."""

    rows: list[list[float]]


LOGGING = {"enable_access_log": False}


@serve.deployment(num_replicas=1, max_ongoing_requests=1000, logging_config=LOGGING)
@serve.ingress(app)
class Letters:
    """Both models through scikit-learn."""

    def __init__(self) -> None:
        self.models = Models()

    @app.get("/prediction/{line}")
    async def prediction(self, line: int) -> dict[str, int]:
        """Label of a stored row by both models."""
        return self.models.prediction(line)

    @app.post("/predict")
    async def predict(self, body: Rows) -> dict[str, list[dict[str, dict[str, Any]]]]:
        """Labels and probabilities of rows by both models."""
        return {"predictions": self.models.predict(body.rows)}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        _node_ip_address=HOST,
        _temp_dir=tempfile.gettempdir(),
    )
    serve.start(http_options={"host": HOST, "port": PORT, "num_cpus": 0}, logging_config=LOGGING)
    serve.run(Letters.options(ray_actor_options={"num_cpus": 0.5}).bind())
    signal.pause()
