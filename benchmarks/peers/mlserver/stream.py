"""Load on MLServer's streams of gRPC, from the environment that has its client.

``stream.py PORT STREAMS IN_FLIGHT SECONDS`` sends a row for each that is answered, and so many
ahead, and writes a JSON object with the rows answered and the seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator

import grpc
from common import load_rows
from mlserver.grpc.dataplane_pb2 import ModelInferRequest
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub

_MODEL = "eeg-letters"
_ROWS = 64


def requests() -> list[ModelInferRequest]:
    """A request a row, as a client of NumPy makes it: the fastest form, raw contents."""
    rows = list(load_rows().values())[:_ROWS]
    made = []
    for row in rows:
        tensor = ModelInferRequest.InferInputTensor(name="rows", datatype="FP64", shape=row.shape)
        request = ModelInferRequest(model_name=_MODEL, inputs=[tensor])
        request.raw_input_contents.append(row.tobytes())
        made.append(request)
    return made


async def main(port: int, streams: int, in_flight: int, seconds: float) -> None:
    """Send, count and tell."""
    made = requests()
    answered = 0
    started = time.perf_counter()

    async def stream(stub: GRPCInferenceServiceStub) -> None:
        nonlocal answered
        free = asyncio.Semaphore(in_flight)

        async def sent() -> AsyncIterator[ModelInferRequest]:
            number = 0
            while time.perf_counter() - started < seconds:
                await free.acquire()
                yield made[number % len(made)]
                number += 1

        async for _ in stub.ModelStreamInfer(sent()):
            if time.perf_counter() - started < seconds:
                answered += 1
            free.release()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        await asyncio.gather(*(stream(stub) for _ in range(streams)))
    json.dump({"answered": answered, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
