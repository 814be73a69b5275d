"""What every peer must answer, by the stored pipelines themselves.

Runs in the project's environment: ``python -m benchmarks.reference FILE`` with ``BENTOML_HOME``
set writes the stored rows, the label that each model gives each of them, and the version of
scikit-learn that the pipelines need.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import bentoml

from benchmarks.paths import ROWS_FILE
from eeg_letters.models import MODELS
from eeg_letters.recordings.recording import read_recording
from eeg_letters.training.pipelines import to_frame


def main(target: Path) -> None:
    """Predict all stored rows and write them down."""
    recording = read_recording(ROWS_FILE)
    frame = to_frame(recording.schema.features, recording.features)
    labels = [
        bentoml.sklearn.load_model(f"{model.name}:latest").predict(frame).tolist()
        for model in MODELS
    ]
    rows = dict(zip(recording.rows, recording.features.tolist(), strict=True))
    document = {
        "scikit-learn": version("scikit-learn"),
        "rows": rows,
        "labels": dict(zip(recording.rows, zip(*labels, strict=True), strict=True)),
    }
    target.write_text(json.dumps(document))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
