"""What a client of a stream sends: rows, of our own form or as EMOTIV's Cortex has them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from eeg_letters.errors import Problem, SchemaError
from eeg_letters.labels import Labels
from eeg_letters.schema import Features
from eeg_letters.scoring.scorer import Floats
from eeg_letters.serving.api.refusals import quoted, refused
from eeg_letters.serving.api.rows import RowParser

# It stands in a close frame's reason, unescaped.
ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
MOST_ID = 2**53
_MEMBERS = ("row", "id", "time", "label")
_ROW = b'"row"'
_BESIDES = frozenset(_MEMBERS) - {"row"}
# Cortex' stream of band powers.
_POW = "pow"


class Row(NamedTuple):
    """A row to be answered.

    Attributes
    ----------
    values : ndarray of float64, shape (1, n_features)
        On the scale of the schema.
    truth : int or None
        Index of the class that it truly was, where the client tells.
    """

    values: Floats
    truth: int | None


class Unreadable(Exception):
    """A message that is not UTF-8: the connection must close."""


class MessageParser:
    """Parses the messages of one stream.

    Parameters
    ----------
    features : Features
        What a row has.
    labels : Labels
        What a label can be.
    parser : RowParser
        Parses rows of our own form.
    cortex : RowParser
        Parses those of Cortex.
    """

    def __init__(
        self, features: Features, labels: Labels, parser: RowParser, cortex: RowParser
    ) -> None:
        self._features = features
        self._labels = labels
        self._parser = parser
        self._cortex = cortex
        # Of the columns that Cortex announced: how many, and the places of the features among them.
        self._n_columns = 0
        self._places: Sequence[int] | None = None
        self._why_none = "Cortex' answer to the subscription, which names the columns, is missing."

    def parse_list(self, text: bytes) -> tuple[dict[str, Any], Row] | None:
        """What `load` and `parse` give, in half the time, of a row that is a list of numbers.

        Parameters
        ----------
        text : bytes
            The message.

        Returns
        -------
        dict of str to object and Row, or None
            The members other than the row; None for whatever is anything else, or wrong.
        """
        # Cortex' messages are lists, too, of more than the features.
        if _ROW not in text:
            return None
        parsed = self._parser.parse_alone(text)
        if parsed is None:
            return None
        document, values = parsed
        others = {name: document[name] for name in document if name in _BESIDES}
        # A duplicate name counts, too.
        if len(document) != len(others) + 1:
            return None
        if not all(isinstance(value, int | float | str) for value in others.values()):
            return None
        try:
            return others, Row(values, self._truth(others))
        except Problem:
            # Something that is told before it may be wrong, too.
            return None

    def load(self, text: bytes) -> dict[str, Any] | None:
        """The document of a message; None where it needs no answer.

        Raises
        ------
        Unreadable
        Problem
            400 where it is no JSON; 422 where it is no object.
        """
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            try:
                text.decode()
            except UnicodeDecodeError:
                raise Unreadable from None
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"The message is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.",
            ) from None
        if not isinstance(document, dict):
            raise refused('The message must be a JSON object, such as {"row": [...]}.')
        if "row" in document or _POW in document:
            return document
        if "jsonrpc" in document:
            self._learn_columns(document)
            return None
        return None if "sid" in document else document

    def parse(self, document: dict[str, Any], text: bytes) -> Row:
        """The row of a message.

        Parameters
        ----------
        document : dict
            As `load` gave it.
        text : bytes
            The message.

        Raises
        ------
        Problem
            422, naming the feature that is wrong.
        """
        if _POW in document and "row" not in document:
            return Row(self._of_cortex(document[_POW], text), None)
        for name in document:
            if name not in _MEMBERS:
                raise refused(
                    f"There is no member {quoted(name)}; there are {', '.join(_MEMBERS)}."
                )
        if "row" not in document:
            raise refused('The member "row" is missing.')
        values = self._parser.convert([document["row"]], text, 0, _colons(document))
        return Row(values, self._truth(document))

    def _of_cortex(self, values: Any, text: bytes) -> Floats:
        places = self._places
        if places is None:
            raise refused(self._why_none)
        if not isinstance(values, list) or len(values) != self._n_columns:
            given = f"{len(values)} values" if isinstance(values, list) else quoted(values)
            raise refused(f"pow has {given}; {self._n_columns} columns were announced.")
        row = [values[place] for place in places]
        return self._cortex.convert([row], text, 0, text.count(b":"))

    def _learn_columns(self, document: dict[str, Any]) -> None:
        columns = _announced(document)
        if columns is None:
            return
        self._places, self._n_columns = None, len(columns)
        try:
            spelled = self._features.spelled(columns)
        except SchemaError as error:
            self._why_none = f"Cortex' columns: {error}."
            return
        # They may be thousands: each is looked at once.
        counts = Counter(columns)
        twice = next((name for name in spelled if counts[name] > 1), None)
        if twice is None:
            places = {name: place for place, name in enumerate(columns)}
            self._places = [places[name] for name in spelled]
        else:
            self._why_none = f"Cortex' columns: {quoted(twice)} is a duplicate column."

    def _truth(self, document: dict[str, Any]) -> int | None:
        given = document.get("label")
        if given is None:
            return None
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise refused(f"label: {quoted(given)} is no label.")
        try:
            return self._labels.index(given)
        except SchemaError as error:
            raise refused(f"label: {error}.") from None


def id_of(document: dict[str, Any], number: int) -> int | str:
    """The id that a row is answered with: the client's, or its number in the stream.

    Raises
    ------
    Problem
        422 where it cannot be one.
    """
    if "id" not in document or (_POW in document and "row" not in document):
        return number
    given = document["id"]
    if isinstance(given, str) and ID.fullmatch(given):
        return given
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < MOST_ID:
        return given
    raise refused(
        f"id is {quoted(given)}; it must be a whole number from 0 to {MOST_ID - 1}, or 1 to 64"
        " letters, digits and . _ : -"
    )


def time_of(document: dict[str, Any]) -> float | None:
    """The time that a client gives its row, in seconds since 1970-01-01; None without one.

    Raises
    ------
    Problem
        422 where it is none.
    """
    given = document.get("time")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise refused(f"time is {quoted(given)}; it must be a number: seconds since 1970-01-01.")
    return given


def _colons(document: dict[str, Any]) -> int:
    texts = (value for value in document.values() if isinstance(value, str))
    return len(document) + sum(text.count(":") for text in texts)


def _announced(document: dict[str, Any]) -> list[str] | None:
    # The columns that Cortex' answer to a subscription names; of several the last.
    result = document.get("result")
    succeeded = result.get("success") if isinstance(result, dict) else None
    found = None
    for stream in succeeded if isinstance(succeeded, list) else ():
        if isinstance(stream, dict) and stream.get("streamName") == _POW:
            columns = stream.get("cols")
            if isinstance(columns, list) and all(isinstance(name, str) for name in columns):
                found = columns
    return found
