"""LitServe: POST only, so that the line number comes as JSON to the same path as rows do."""

from __future__ import annotations

from typing import Any

import litserve
from common import HOST, PORT, Models


class Letters(litserve.LitAPI):
    """Both models through scikit-learn."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the models in the worker."""
        self.models = Models()

    def predict(self, x: dict[str, Any]) -> dict[str, Any]:
        """Answer a line number or rows."""
        if "line" in x:
            return dict(self.models.prediction(x["line"]))
        return {"predictions": self.models.predict(x["rows"])}


if __name__ == "__main__":
    server = litserve.LitServer(Letters(), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host=HOST,
        port=PORT,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
