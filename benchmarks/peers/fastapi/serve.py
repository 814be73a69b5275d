"""FastAPI and scikit-learn: what a careful person writes without a serving framework.

Coroutines rather than functions: one core gains nothing from FastAPI's threads.
"""

from __future__ import annotations

from typing import Any

import uvicorn
from common import HOST, PORT, Models
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

app = FastAPI()
models = Models()


class Rows(BaseModel):
    """Rows of a client's own."""

    rows: list[list[float]]


@app.get("/prediction/{line}")
async def prediction(line: int) -> dict[str, int]:
    """Label of a stored row by both models."""
    return models.prediction(line)


@app.post("/predict")
async def predict(body: Rows) -> dict[str, list[dict[str, dict[str, Any]]]]:
    """Labels and probabilities of rows by both models."""
    return {"predictions": models.predict(body.rows)}


@app.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Labels and probabilities of each row that is sent, by both models."""
    await socket.accept()
    try:
        while True:
            message = await socket.receive_json()
            await socket.send_json(models.predict([message["row"]])[0])
    except WebSocketDisconnect:
        pass


if __name__ == "__main__":
    uvicorn.run(app, host=HOST, port=PORT, loop="uvloop", http="httptools", access_log=False)
