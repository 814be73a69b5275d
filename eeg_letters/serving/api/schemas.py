"""JSON schemas of what the routes of our own take and answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from eeg_letters.labels import LabelKind
from eeg_letters.models import MODELS
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema
from eeg_letters.serving.api.names import other_columns

# Figures of an evaluation that are shares.
_SHARES = ("accuracy", "commonest_class", "balanced_accuracy", "macro_f1", "calibration_error")
# The most classes that a schema lists.
_MOST_LISTED = 100


def exactly(properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with all of these members and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schemas(schema: Schema, columns: Sequence[str]) -> dict[str, Any]:
    """What the document has under ``components/schemas``; parameters are those of `paths`."""
    features, labels = schema.features, schema.labels
    number = feature_schema(schema)
    string = {"type": "string"}
    label = label_schema(schema)
    letter = {"letter": {"type": "string", "enum": list(labels.names)}}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    answer = exactly(
        {
            "label": label,
            **(letter if labels.are_letters else {}),
            "probabilities": {
                "description": "By letter, A first."
                if labels.are_letters
                else "By class, in the order of `class_names` of `/models`.",
                "type": "array",
                "items": share,
                "minItems": len(labels.values),
                "maxItems": len(labels.values),
            },
        }
    )
    row_list = {
        "description": f"{'Band powers' if features.are_powers else 'Features'} in the order"
        f" {features.names[0]} … {features.names[-1]}.",
        "type": "array",
        "items": number,
        "minItems": len(features),
        "maxItems": len(features),
    }
    label_list = {"type": "array", "items": label}
    reference = {"type": "string", "format": "uri-reference"}
    or_null = {"type": "array", "items": {"type": ["string", "null"]}}
    content = exactly({"sha256": string, "rows": {"type": "integer", "minimum": 0}})
    interval = {"type": "array", "items": share, "minItems": 2, "maxItems": 2}
    each = {
        **content["properties"],
        "adapting": {
            "description": "It is of the session to come: its rows counted more.",
            "type": "boolean",
        },
        **dict.fromkeys(_SHARES, share),
        "interval": interval,
        "better_than_guessing": {"type": "boolean"},
    }
    recording = {
        **content,
        "properties": {
            **content["properties"],
            "recordings": {
                "description": "Each of them; of several test recordings with figures.",
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": each,
                    "required": ["sha256", "rows"],
                    "additionalProperties": False,
                },
            },
        },
    }
    stored_model = {
        "type": "object",
        "properties": {
            "name": {
                **string,
                "description": "Name in the model store.",
                "enum": [model.name for model in MODELS],
            },
            "title": {
                **string,
                "description": "Name in other answers.",
                "enum": [model.title for model in MODELS],
            },
            "version": {**string, "description": "Digest of all that is stored of the model."},
            "accuracy": {
                **_by_rows(share),
                "description": "test: over the test recordings. recordings: over those of the"
                " training, each labelled by models of the others. blocked: first half of each"
                f" {labels.noun}'s rows of the training predicts the second half.",
            },
            "interval": {
                **_by_rows(interval),
                "description": "Of the accuracy, 95 %: the wider of a bootstrap of blocks of rows"
                f" and, from ten {labels.plural} on, of whole {labels.plural}.",
            },
            "commonest_class": {
                **_by_rows(share),
                "description": f"Share of the commonest {labels.noun}: what guessing gets.",
            },
            "better_than_guessing": {
                **_by_rows({"type": "boolean"}),
                "description": "Whether the whole interval is above it.",
            },
            "balanced_accuracy": {
                **_by_rows(share),
                "description": f"Mean share of right labels of a {labels.noun}.",
            },
            "macro_f1": {**_by_rows(share), "description": f"Mean F1 of a {labels.noun}."},
            "calibration_error": {
                **_by_rows(share),
                "description": "Expected calibration error, over the same rows.",
            },
            "clock": {
                **exactly({"accuracy": share, "tells_the_class": {"type": "boolean"}}),
                "description": "How well elapsed time alone, as the features tell it, names the"
                f" {labels.noun} of test rows, and whether that is well above guessing.",
            },
            "shrinkage": {
                "description": "Whether the covariances of discriminant analysis were shrunk.",
                "type": "boolean",
            },
            "adapting_weight": {
                "description": "How often a row of the session to come counted.",
                "type": "integer",
            },
            "classes": {**label_list, "description": "Labels that it was trained on."},
            "class_names": {
                "description": "What the probabilities of a row are of, in order.",
                "type": "array",
                "items": string,
            },
            "labels": {
                "description": "What labels are.",
                "enum": [kind.value for kind in LabelKind],
            },
            "feature_names": {
                "description": "What the numbers of a row are, in order.",
                "type": "array",
                "items": string,
            },
            "electrodes": {**or_null, "description": "Electrode of each feature, if named."},
            "bands": {**or_null, "description": "Band of each feature, if named."},
            "scale": {
                "description": "What values of band powers are; null where features are none.",
                "enum": [*Scale, None],
            },
            "preprocessing": {**string, "description": "What is done to a row first."},
            "temperature": {**number, "description": "What logits are divided by."},
            "training": {**recording, "description": "What it was trained on."},
            "test": {**recording, "description": "What training tested it on."},
            "versions": {
                "description": "Versions of the libraries that trained it.",
                "type": "object",
                "additionalProperties": string,
            },
        },
        "required": ["name", "title", "version"],
        "additionalProperties": False,
    }
    by_model = {model.title: {"$ref": "#/components/schemas/Answer"} for model in MODELS}
    prediction = exactly(by_model)
    prediction["properties"] = {
        **by_model,
        "familiar": {
            "description": "Whether the row is as near to a class as nearly all rows of the"
            " training are. Missing where the training could not tell.",
            "type": "boolean",
        },
        "values": {
            "description": "With `values=true`: the features, in order, as they were read.",
            "type": "array",
            "items": number,
        },
        "line": {"description": "With `values=true`: the line number.", "type": "integer"},
        "label": {"description": "With `values=true`: the true label.", **label},
        **(letter if labels.are_letters else {}),
    }
    return {
        "Line": exactly({"line": {"type": "integer", "format": "int64"}}),
        "StoredRow": _stored_row(columns),
        "Prediction": exactly({f"prediction {model.title}": label for model in MODELS}),
        "Score": exactly({f"Score {model.title}": share for model in MODELS}),
        "Row": {"oneOf": [row_list, _named_row(schema, columns)]},
        "NamedValue": {"anyOf": [number, _number_as_text(schema)]},
        "OtherValue": {
            "description": "Not used.",
            "type": ["string", "number", "boolean", "null"],
        },
        "Rows": exactly({"rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}}),
        "Answer": answer,
        "RowList": {
            "description": "Rows as pandas' `to_json` writes them with `orient` records or values."
            " What it writes with index, split or columns is read as well.",
            "type": "array",
            "items": {"$ref": "#/components/schemas/Row"},
        },
        "Predictions": exactly({"predictions": {"type": "array", "items": prediction}}),
        "Index": exactly(
            {
                "name": string,
                "version": string,
                "documents": {
                    **exactly({"reference": reference, "openapi": reference}),
                    "description": "Relative to the address of this list.",
                },
                "routes": {
                    "description": "By path, as in this document.",
                    "type": "object",
                    "additionalProperties": exactly(
                        {"methods": {"type": "array", "items": string}, "description": string}
                    ),
                },
            }
        ),
        "Models": {"type": "array", "items": stored_model},
        "StoredPredictions": exactly(
            {
                "lines": {
                    "description": "Line numbers, as the recording orders them.",
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0},
                },
                "truth": label_list,
                "labels": {
                    "type": "object",
                    "properties": {model.title: label_list for model in MODELS},
                    "additionalProperties": False,
                },
            }
        ),
        "Problem": exactly(
            {
                "type": reference,
                "title": string,
                "status": {"type": "integer"},
                "detail": string,
            }
        ),
    }


def _by_rows(figure: dict[str, Any]) -> dict[str, Any]:
    # A figure for each set of rows that it may be of.
    rows = ("test", "recordings", "blocked")
    return {"type": "object", "properties": dict.fromkeys(rows, figure)}


def any_of(names: Iterable[str]) -> str:
    """A pattern of any of some names, where generators of clients must make no identifiers of them.

    Of "label" and "Label" they would make the same one, and then give up.
    """
    escaped = (re.sub(r"[.*+?^${}()|[\]\\/]", r"\\\g<0>", name) for name in names)
    return f"^({'|'.join(escaped)})$"


def _named_row(schema: Schema, columns: Sequence[str]) -> dict[str, Any]:
    value, other = ({"$ref": f"#/components/schemas/{name}Value"} for name in ("Named", "Other"))
    row = exactly(dict.fromkeys(schema.features.names, value))
    return {
        **row,
        "description": "By column name, in any order. What `/line` answers is such a row.",
        "patternProperties": {any_of(other_columns(schema, columns)): other},
    }


def _number_as_text(schema: Schema) -> dict[str, Any]:
    # Of what is taken only what is usual: no blanks around it, no hundred digits.
    sign = "" if schema.values_scale is Scale.POWER else "-?"
    pattern = rf"^{sign}[0-9]{{1,15}}(\.[0-9]{{1,20}})?([eE][+-]?[0-9]{{1,2}})?$"
    return {"type": "string", "pattern": pattern}


def _stored_row(columns: Sequence[str]) -> dict[str, Any]:
    value = {"type": ["string", "number"]}
    if not columns:
        return {"type": "object", "additionalProperties": value}
    return exactly(dict.fromkeys(columns, value))


def label_schema(schema: Schema) -> dict[str, Any]:
    """The JSON schema of a label."""
    labels = schema.labels
    if labels.are_letters:
        return {"type": "integer", "minimum": 0, "maximum": len(labels.values) - 1}
    kind = {"type": "string" if labels.kind is LabelKind.TEXT else "integer"}
    return {**kind, "enum": list(labels.values)} if len(labels.values) <= _MOST_LISTED else kind


def feature_schema(schema: Schema) -> dict[str, Any]:
    """The JSON schema of a feature."""
    return {"type": "number", **({"minimum": 0} if schema.values_scale is Scale.POWER else {})}
