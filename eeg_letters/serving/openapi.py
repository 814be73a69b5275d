"""The OpenAPI document of the whole service."""

from __future__ import annotations

from typing import Any

from eeg_letters import __version__
from eeg_letters.serving.api import openapi as api
from eeg_letters.serving.open_inference import openapi as open_inference


def document(lda_version: str = open_inference.EXAMPLE_VERSION) -> dict[str, Any]:
    """OpenAPI 3.1 document, with an example of each body and answer.

    Parameters
    ----------
    lda_version : str
        The example of a model's version, which a reader can try where it is that of the model that
        is served.

    Returns
    -------
    dict
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eeg-letters",
            "version": __version__,
            "description": "Which letter was thought of, from the band powers of an EEG.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {**api.paths(), **open_inference.paths(lda_version)},
        "components": {
            "schemas": {**api.schemas(), **open_inference.schemas()},
            "responses": {**api.responses(), **open_inference.responses()},
        },
    }
