"""The OpenAPI description of the routes of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

from eeg_letters.labels import LabelKind
from eeg_letters.models import ENSEMBLE, LDA, MODELS
from eeg_letters.schema import Schema
from eeg_letters.serving.api.openapi import Example
from eeg_letters.serving.api.schemas import any_of, exactly, feature_schema
from eeg_letters.serving.open_inference.answers import BINARY
from eeg_letters.serving.open_inference.inputs import INPUT
from eeg_letters.serving.open_inference.requests import ON_REQUEST
from eeg_letters.serving.open_inference.tensors import DATATYPES

_TAG = "Open Inference Protocol"
_NAMES = (*(model.name for model in MODELS), ENSEMBLE)
EXAMPLE_VERSION = "46804cbe0dce0f2f"

_PROBLEMS = {
    400: "The request is not what the protocol, or the model, asks for",
    404: "There is no such model, or it has no such version",
    408: "The body did not arrive in time",
    413: "The body is too large, or has too many rows",
    415: "The body is compressed, but not with gzip or deflate",
    503: "Requests hold too much memory already; try again after Retry-After seconds",
}


def paths(schema: Schema, lda_version: str) -> dict[str, Any]:
    """What the document has under ``paths``; the version is the examples'."""
    found: dict[str, Any] = {
        "/v2": {"get": _operation("v2Server", "The server and its extensions", "V2Server")},
        "/v2/health/live": {
            "get": _operation("v2Live", "200 while the process lives", "V2Live", internal=True)
        },
        "/v2/health/ready": {
            "get": _operation("v2Ready", "200 once it can answer", "V2Ready", internal=True)
        },
        "/v2/models": {"get": _operation("v2Models", "The names of all models", "V2Models")},
        "/v2/repository/index": {
            "post": _operation("v2Index", "All models, which are all ready", "V2Index")
        },
    }
    for suffix, ending, parameters in (
        ("", "", [_path("model", {"enum": list(_NAMES)}, LDA.name)]),
        (
            "/versions/{version}",
            "OfVersion",
            [
                _path("model", {"enum": list(_NAMES)}, LDA.name),
                _path("version", {}, lda_version),
            ],
        ),
    ):
        path = "/v2/models/{model}" + suffix
        found[path] = {
            "parameters": parameters,
            "get": _operation(
                f"v2Model{ending}", "Inputs, outputs and scores of a model", "V2Model", [404]
            ),
        }
        found[f"{path}/ready"] = {
            "parameters": parameters,
            "get": _operation(
                f"v2ModelReady{ending}",
                "200 if there is such a model",
                "V2ModelReady",
                [404],
                internal=True,
            ),
        }
        infer = _operation(
            f"v2Infer{ending}",
            "Predictions of a model for rows of your own",
            "V2Response",
            [400, 404, 408, 413, 415],
            _response(Example(schema), lda_version),
        )
        binary = BINARY.decode()
        infer["responses"]["200"]["content"][binary] = {"schema": {"type": "string"}}
        infer["description"] = (
            "A body with the header Inference-Header-Content-Length, of any type, is that many"
            " bytes of this JSON, and after it the tensors in binary. docs/protocol.md says more."
        )
        infer["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/V2Request"},
                    "example": _request(Example(schema)),
                }
            },
        }
        found[f"{path}/infer"] = {"parameters": parameters, "post": infer}
    return found


def schemas(schema: Schema) -> dict[str, Any]:
    """What the document has under ``components/schemas``."""
    string = {"type": "string"}
    whole = {"type": "integer"}
    scalar = {"type": ["string", "number", "boolean"]}
    optional_parameters = {"type": ["object", "null"], "additionalProperties": scalar}
    tensor = {
        "name": string,
        "datatype": string,
        "shape": {"type": "array", "items": whole},
        "parameters": {"type": "object", "additionalProperties": scalar},
    }
    # Labels are whole numbers or text, letters text, probabilities numbers, familiar a truth value.
    value = {"type": ["number", "string", "boolean"]}
    number, width = feature_schema(schema), len(schema.features)
    number = {**number, "type": ["number", "boolean"]}
    row = {"type": "array", "items": number, "minItems": width, "maxItems": width}
    flat = {"type": "array", "items": number}
    datatype = {"enum": [name for name, datatype in DATATYPES.items() if datatype.in_json]}
    count = {"type": "integer", "minimum": 0}
    tensor_schema = {
        "type": "object",
        "properties": tensor,
        "required": ["name", "datatype", "shape"],
    }
    return {
        "V2Server": _object(
            name=string, version=string, extensions={"type": "array", "items": string}
        ),
        "V2Live": _object(live={"type": "boolean"}),
        "V2Ready": _object(ready={"type": "boolean"}),
        "V2ModelReady": _object(name=string, ready={"type": "boolean"}),
        "V2Models": _object(models={"type": "array", "items": string}),
        "V2Index": {
            "type": "array",
            "items": _object(name=string, version=string, state=string, reason=string),
        },
        "V2Model": _object(
            name=string,
            versions={"type": "array", "items": string},
            platform=string,
            inputs={"type": "array", "items": tensor_schema},
            outputs={"type": "array", "items": tensor_schema},
            parameters=tensor["parameters"],
        ),
        "V2Request": {
            "type": "object",
            "properties": {
                "id": {"type": ["string", "null"]},
                "parameters": optional_parameters,
                "inputs": {
                    "description": f"One tensor, {INPUT}, or one for each feature, in any order.",
                    "type": "array",
                    "minItems": 1,
                    "maxItems": width,
                    "items": {
                        "anyOf": [
                            {"$ref": "#/components/schemas/V2Rows"},
                            {"$ref": "#/components/schemas/V2Column"},
                        ]
                    },
                },
                "outputs": {
                    "description": "Where it is missing or empty: all of the model's outputs but"
                    f" {ON_REQUEST}, which must be named.",
                    "type": ["array", "null"],
                    "items": {
                        "type": "object",
                        "properties": {"name": string, "parameters": optional_parameters},
                        "required": ["name"],
                    },
                },
            },
            "required": ["inputs"],
        },
        "V2Rows": {
            "type": "object",
            "properties": {
                "name": {"const": INPUT},
                "datatype": datatype,
                "shape": {
                    "description": "[rows, features]",
                    "type": "array",
                    "items": whole,
                    # As a "const" clients would expect it of every item.
                    "prefixItems": [count, {**count, "minimum": width, "maximum": width}],
                    "minItems": 2,
                    "maxItems": 2,
                },
                "data": {
                    "description": "Row after row, flat or as a list of rows.",
                    "anyOf": [flat, {"type": "array", "items": row}],
                },
                "parameters": optional_parameters,
            },
            "required": ["name", "datatype", "shape", "data"],
        },
        "V2Column": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": any_of(schema.features.names)},
                "datatype": datatype,
                "shape": {
                    "description": "[rows] or [rows, 1]",
                    "type": "array",
                    "items": whole,
                    "prefixItems": [count, {**count, "minimum": 1, "maximum": 1}],
                    "minItems": 1,
                    "maxItems": 2,
                },
                "data": {
                    "description": "The feature's values, flat or as a list of rows of one.",
                    "anyOf": [
                        flat,
                        {
                            "type": "array",
                            "items": {**row, "minItems": 1, "maxItems": 1},
                        },
                    ],
                },
                "parameters": optional_parameters,
            },
            "required": ["name", "datatype", "shape", "data"],
        },
        "V2Response": {
            "type": "object",
            "properties": {
                "model_name": string,
                "model_version": string,
                "id": string,
                "parameters": {"type": "object"},
                "outputs": {
                    "type": "array",
                    "items": {
                        **tensor_schema,
                        "properties": {**tensor, "data": {"type": "array", "items": value}},
                    },
                },
            },
            "required": ["model_name", "model_version", "outputs"],
        },
        "V2Error": _object(error=string),
    }


def responses() -> dict[str, Any]:
    """What the document has under ``components/responses``."""
    schema = {"$ref": "#/components/schemas/V2Error"}
    return {
        f"V2-{status}": {
            "description": description,
            "content": {"application/json": {"schema": schema, "example": {"error": description}}},
        }
        for status, description in _PROBLEMS.items()
    }


def _operation(
    operation: str,
    summary: str,
    schema: str,
    problems: list[int] | None = None,
    example: Any = None,
    internal: bool = False,
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if example is not None:
        content["example"] = example
    statuses = [*(problems or []), *([] if internal else [503])]
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [_TAG],
        "responses": {
            "200": {"description": summary, "content": {"application/json": content}},
            **{str(s): {"$ref": f"#/components/responses/V2-{s}"} for s in statuses},
        },
    }


def _path(name: str, schema: dict[str, Any], example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", **schema},
        "example": example,
    }


def _request(example: Example) -> dict[str, Any]:
    row = example.row
    tensor = {"name": INPUT, "datatype": "FP64", "shape": [1, len(row)], "data": row}
    return {"id": "42", "inputs": [tensor]}


def _response(example: Example, version: str) -> dict[str, Any]:
    labels, probabilities = example.schema.labels, example.probabilities
    of_label = "BYTES" if labels.kind is LabelKind.TEXT else "INT64"
    letter: Any = ("letter", "BYTES", [1], [labels.names[example.place]])
    tensors: list[Any] = [
        ("label", of_label, [1], [example.label]),
        *([letter] if labels.are_letters else []),
        ("probabilities", "FP64", [1, len(probabilities)], probabilities),
    ]
    return {
        "model_name": LDA.name,
        "model_version": version,
        "id": "42",
        "outputs": [
            {"name": name, "datatype": datatype, "shape": shape, "data": data}
            for name, datatype, shape, data in tensors
        ],
    }


def _object(**properties: Any) -> dict[str, Any]:
    return exactly(properties)
