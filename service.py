"""The BentoML service: both models over HTTP."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import orjson

from eeg_letters.serving.api.answers import as_json
from eeg_letters.serving.api.names import other_columns
from eeg_letters.serving.api.rows import RowParser
from eeg_letters.serving.bento import HTTPService, check_start
from eeg_letters.serving.inference import load_inference
from eeg_letters.settings import read_settings


@bentoml.service(name="eeg-letters", service_class=HTTPService, workers=1)
class EEGLetters:
    """What a person thought of, by discriminant analysis and a perceptron, from EEG features."""

    def __init__(self) -> None:
        self.settings = read_settings(os.environ)
        self.inference = load_inference(self.settings)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """End with one sentence, before a worker starts, where one could not serve."""
        check_start()

    @bentoml.api
    def line(self, line: int) -> dict[str, Any]:
        """Return the stored row of a line number."""
        return self.inference.line(line)

    @bentoml.api
    def prediction(self, line: int) -> dict[str, int | str]:
        """Return the label that each model gives a stored row."""
        return self.inference.name(self.inference.classify(self.inference.rows[line]))

    @bentoml.api
    def score(self) -> dict[str, float]:
        """Return the accuracy of each model over all stored rows."""
        return self.inference.score

    # The dict first: BentoML's client takes the first kind for all there is, and would send the
    # names of a dict in place of its values.
    @bentoml.api
    def predict(self, rows: list[dict[str, float | str] | list[float]]) -> dict[str, Any]:
        """Return what each model gives each row, and whether the row is like the training's."""
        inference, schema = self.inference, self.inference.schema
        others = other_columns(schema, inference.columns)
        parser = RowParser(schema.features, others, schema.values_scale)
        predictions = inference.predict(inference.to_powers(parser.to_array(rows)), judge=True)
        return {"predictions": orjson.loads(b"[%b]" % as_json(predictions, schema.labels))}
