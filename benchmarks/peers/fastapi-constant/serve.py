"""FastAPI without models: what its routing and serialisation cost."""

from __future__ import annotations

import os

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/prediction/{line}")
async def prediction(line: int) -> dict[str, int]:  # noqa: ARG001
    """Answer a constant."""
    return {"prediction LDA": 4, "prediction Neural Network": 4}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
    )
