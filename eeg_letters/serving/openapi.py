"""The OpenAPI document of the whole service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eeg_letters import __version__
from eeg_letters.schema import Schema
from eeg_letters.serving.api import openapi as api
from eeg_letters.serving.api.schemas import schemas
from eeg_letters.serving.live import openapi as live
from eeg_letters.serving.open_inference import openapi as open_inference
from eeg_letters.serving.routing import Described


def document(
    schema: Schema,
    columns: Sequence[str] = (),
    lda_version: str = open_inference.EXAMPLE_VERSION,
    database: Described | None = None,
) -> dict[str, Any]:
    """OpenAPI 3.1 document, with an example of each body and answer.

    Parameters
    ----------
    schema : Schema
        What rows and answers have.
    columns : sequence of str
        Columns of the stored rows; empty where they are not known.
    lda_version : str
        The example of a model's version, which a reader can try where it is that of the model that
        is served.
    database : Described, optional
        What there is besides, where there is a database.

    Returns
    -------
    dict
    """
    besides = live.describe(schema) | (database or Described({}, {}, {}))
    security_schemes = dict(besides.security_schemes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eeg-letters",
            "version": __version__,
            "description": f"Which {schema.labels.noun} was thought of, from the band powers of an"
            f" EEG: {schema.describe()}.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the document's own address, whatever a proxy has put before it.
        "servers": [{"url": "."}],
        "paths": {
            **api.paths(schema, columns),
            **besides.paths,
            **open_inference.paths(schema, lda_version),
        },
        "components": {
            "schemas": {
                **schemas(schema, columns),
                **besides.schemas,
                **open_inference.schemas(schema),
            },
            "responses": {
                **api.responses(),
                **besides.responses,
                **open_inference.responses(),
            },
            **({"securitySchemes": security_schemes} if security_schemes else {}),
        },
    }
