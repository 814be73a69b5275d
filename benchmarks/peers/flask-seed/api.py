"""The application of the two write-ups this project began with, on this project's models.

It reads the recording and opens both models on every request. The write-ups have no route for
rows of a client's own.
"""

from __future__ import annotations

import joblib
import pandas as pd
from common import ROWS_FILE, TITLES, model_file
from flask import Flask
from flask_restful import Api, Resource

app = Flask(__name__)
api = Api(app)


class Prediction(Resource):
    """Label of a stored row by both models."""

    def get(self, line: int) -> dict[str, int]:
        """Read everything, then predict."""
        data = pd.read_json(ROWS_FILE).transpose()
        features = data.drop(columns=["Line", "# Letter"])
        row = features.iloc[line, :].to_numpy(float).reshape(1, -1)
        answer = {}
        for name, title in TITLES.items():
            pipeline = joblib.load(model_file(name))
            del pipeline[0].feature_names_in_  # As common.load_pipeline does.
            answer[f"prediction {title}"] = int(pipeline.predict(row)[0])
        return answer


api.add_resource(Prediction, "/prediction/<int:line>")
