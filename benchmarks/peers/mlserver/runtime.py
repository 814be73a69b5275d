"""The models behind MLServer, with the tensors that this project's service has for them.

The scikit-learn runtime of MLServer answers with one model, and has no letters; equal work needs a
runtime of its own, in the way that MLServer documents. A line number or rows come by its V2
inference protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
from common import LETTERS, Models, load_pipeline
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Letters(MLModel):  # type: ignore[misc]
    """One of the models or both, through scikit-learn."""

    async def load(self) -> bool:
        """Load the models."""
        names = self.settings.parameters.extra["models"]
        self.models = Models({name: load_pipeline(name) for name in names})
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a line number or rows."""
        asked = payload.inputs[0]
        values = NumpyCodec.decode_input(asked)
        outputs: list[ResponseOutput] = []
        if asked.name == "line":
            for name, label in self.models.prediction(int(values[0])).items():
                outputs.append(NumpyCodec.encode_output(name, np.array([label])))
        else:
            answers = self.models.predict(values)
            for name in answers[0]:
                prefix = f"{name}." if len(answers[0]) > 1 else ""
                outputs += _outputs(prefix, [answer[name] for answer in answers])
        wanted = [output.name for output in payload.outputs or []]
        if wanted:
            by_name = {output.name: output for output in outputs}
            outputs = [by_name[name] for name in wanted]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)

    async def predict_stream(
        self, payloads: AsyncIterator[InferenceRequest]
    ) -> AsyncIterator[InferenceResponse]:
        """Answer each request of a stream."""
        async for payload in payloads:
            yield await self.predict(payload)


def _outputs(prefix: str, answers: list[dict[str, object]]) -> list[ResponseOutput]:
    labels = np.array([answer["label"] for answer in answers])
    probabilities = np.array([answer["probabilities"] for answer in answers])
    letters = [LETTERS[label] for label in labels]
    return [
        _flat(NumpyCodec.encode_output(f"{prefix}label", labels), [len(labels)]),
        _flat(StringCodec.encode_output(f"{prefix}letter", letters), [len(labels)]),
        NumpyCodec.encode_output(f"{prefix}probabilities", probabilities),
    ]


def _flat(output: ResponseOutput, shape: list[int]) -> ResponseOutput:
    # MLServer gives a vector a second dimension of one.
    output.shape = shape
    return output
