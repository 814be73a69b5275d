"""Both models behind one MLServer model.

The scikit-learn runtime of MLServer answers with one model; equal work needs a runtime of its own,
in the way that MLServer documents. A line number or rows come by its V2 inference protocol.
"""

from __future__ import annotations

import numpy as np
from common import Models
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class BothModels(MLModel):  # type: ignore[misc]
    """Both models through scikit-learn."""

    async def load(self) -> bool:
        """Load the models."""
        self.models = Models()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a line number or rows."""
        asked = payload.inputs[0]
        values = NumpyCodec.decode_input(asked)
        outputs = []
        if asked.name == "line":
            for name, label in self.models.prediction(int(values[0])).items():
                outputs.append(NumpyCodec.encode_output(name, np.array([label])))
        else:
            answers = self.models.predict(values)
            for title in answers[0]:
                of_model = [answer[title] for answer in answers]
                labels = np.array([answer["label"] for answer in of_model])
                probabilities = np.array([answer["probabilities"] for answer in of_model])
                outputs.append(NumpyCodec.encode_output(title, labels))
                outputs.append(NumpyCodec.encode_output(f"{title} probabilities", probabilities))
        return InferenceResponse(model_name=self.name, outputs=outputs)
