"""What a service's models take and answer."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import orjson

from eeg_letters.errors import LiveError
from eeg_letters.labels import LETTERS, LabelKind, Labels
from eeg_letters.live.addresses import models_address
from eeg_letters.live.refusals import Waits, may_pass, reason
from eeg_letters.scales import Scale
from eeg_letters.schema import Features, Schema

_ANSWER_SECONDS = 10


async def served_schema(url: str, patience: float) -> Schema:
    """The schema of the models of a service, from its route ``/models``.

    Parameters
    ----------
    url : str
        Of its streams, such as ``ws://localhost:3000/live``.
    patience : float
        Seconds in which the service must be there.

    Raises
    ------
    LiveError
        When it is not, refuses, or is something else.
    """
    address, headers = models_address(url)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    waits = Waits()
    while True:
        try:
            content = await asyncio.to_thread(_get, address, headers)
            break
        except urllib.error.HTTPError as error:
            why = reason(error.code, error.read())
            if not may_pass(error.code):
                raise LiveError(f"{address}: {why}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = str(error)
        delay = next(waits)
        if loop.time() + delay > deadline:
            raise LiveError(f"{address}: no service within {patience:g} s: {why}") from None
        await asyncio.sleep(delay)
    try:
        return _schema(orjson.loads(content)[0])
    except (ValueError, KeyError, TypeError, IndexError):
        raise LiveError(f"{address}: something else than the models of a service") from None


def _get(address: str, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(address)  # noqa: S310 HTTP
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:  # noqa: S310 HTTP
        content: bytes = response.read()
        return content


def _schema(model: dict[str, Any]) -> Schema:
    features = Features(
        *(tuple(model[member]) for member in ("feature_names", "electrodes", "bands"))
    )
    kind = LabelKind(model["labels"])
    if kind is LabelKind.LETTERS:
        labels = LETTERS
    else:
        names = tuple(model["class_names"])
        labels = Labels(kind, tuple(map(int, names)) if kind is LabelKind.NUMBERS else names)
    return Schema(features, labels, scale=Scale(model["scale"] or Scale.POWER))
