"""The page at ``/``, joined from the files in the folder ``page``."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np
import orjson

from eeg_letters.labels import LABEL_COLUMNS
from eeg_letters.montage import flat_positions
from eeg_letters.schema import Features, Schema, counted
from eeg_letters.serving.inference import Inference
from eeg_letters.serving.routing import Response
from eeg_letters.settings import Settings

# Names that are any text are not among them: scripts alone put these on the page.
_WORD = re.compile(r"\{(\w+)\}")
_LINKED = re.compile(
    r'<link rel="stylesheet" href="(?P<style>\w+\.css)">'
    r'|<script src="(?P<script>\w+\.js)"></script>'
)
# What is there only with a database, with the routes of its log, or where these need a token.
_PART = re.compile(
    r"<!-- (?P<needed>database|log|tokens) -->\n(?P<part>.*?)<!-- /(?P=needed) -->\n", re.DOTALL
)


def page(inference: Inference, settings: Settings) -> Response:
    """The page, with a Content-Security-Policy that allows only its own scripts and host.

    Parameters
    ----------
    inference : Inference
        What is served.
    settings : Settings
        Whether there is a database, what is kept in it, and who may read that.
    """
    database = _database(settings)
    served = _as_script(_served(inference) | {"database": database})
    needed = {"database": database is not None, **(database or {})}

    def part(found: re.Match[str]) -> str:
        return _PART.sub(part, found["part"]) if needed.get(found["needed"]) else ""

    def joined(link: re.Match[str]) -> str:
        tag = link.lastgroup
        return f"<{tag}>{_read(link[tag or '']).replace('{served}', served)}</{tag}>"

    words = _words(inference.schema)
    text = _WORD.sub(lambda word: words[word[1]], _PART.sub(part, _read("index.html")))
    text = _LINKED.sub(joined, text)
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:;"
        f" script-src {_digests(text, 'script')}; style-src {_digests(text, 'style')};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(
        text.encode(),
        b"text/html; charset=utf-8",
        headers=((b"content-security-policy", policy.encode()),),
    )


def _read(name: str) -> str:
    return files("eeg_letters.serving.web").joinpath("page", name).read_text(encoding="utf-8")


def _words(schema: Schema) -> dict[str, str]:
    features, labels = schema.features, schema.labels
    source = "band powers" if features.are_powers else "features"
    question = (
        "Which letter was a person thinking of?"
        if labels.are_letters
        else "Which class does a stretch of EEG belong to?"
    )
    return {
        "noun": labels.noun,
        "Noun": labels.noun.capitalize(),
        "nouns": labels.plural,
        "question": f"{question} Two models read it from the {source} of an EEG."
        if labels.are_letters
        else f"{question} Two models tell by its {source}.",
        "values": counted(len(features), "band power" if features.are_powers else "feature"),
    }


def _served(inference: Inference) -> dict[str, Any]:
    features, labels = inference.schema.features, inference.schema.labels
    known = {place for stored in inference.models for place in stored.scorer.classes.tolist()}
    known |= set(inference.truth.tolist())
    return {
        "features": features.names,
        "electrodes": features.electrodes,
        "bands": features.bands,
        "arePowers": features.are_powers,
        "described": features.describe(),
        "places": _places(features),
        "labels": labels.values,
        "names": labels.names,
        # Of letters there may be some that no row has.
        "shown": sorted(known),
        "noun": labels.noun,
        "nouns": labels.plural,
        "areLetters": labels.are_letters,
        "hasRows": not inference.no_rows,
        # The column of labels in an example.
        "labelColumn": inference.label_column
        or inference.schema.label_column
        or LABEL_COLUMNS[0 if labels.are_letters else 1],
    }


def _database(settings: Settings) -> dict[str, Any] | None:
    if not settings.has_database:
        return None
    return {
        # That which routes without a name mean.
        "recording": settings.recording,
        "keeps": settings.keep_predictions,
        "log": settings.open_feedback or settings.tokens_file is not None,
        "tokens": settings.tokens_file is not None,
    }


def _places(features: Features) -> dict[str, list[float]]:
    unit = np.linalg.norm(flat_positions(["T8"]))
    flat = flat_positions(features.placed) / unit * [1, -1]
    # Adding zero makes 0.0 of -0.0.
    places = (flat.round(3) + 0.0).tolist()
    return dict(zip(features.placed, places, strict=True))


def _as_script(value: Any) -> str:
    # A name may have what ends a script in HTML.
    return orjson.dumps(value).decode().replace("<", "\\u003c")


def _digests(text: str, tag: str) -> str:
    contents = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(
        f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" for content in contents
    )
