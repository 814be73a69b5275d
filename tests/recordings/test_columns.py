"""Columns by their names, and the sentence for a table without them."""

from __future__ import annotations

import pytest

from eeg_letters.errors import RecordingError
from eeg_letters.recordings.columns import find_columns
from tests.shipped import SCHEMA


def test_a_row_in_place_of_the_header_is_told_even_where_a_value_is_there_twice() -> None:
    values = [f"{number % 7}.25" for number in range(162)]
    with pytest.raises(RecordingError, match=r"^x, line 1: there is no header;"):
        find_columns("x, line 1", values, SCHEMA)


def test_a_name_that_is_there_twice_is_named() -> None:
    names = [*SCHEMA.features.names, " Cz/theta"]
    with pytest.raises(RecordingError, match="column Cz/theta: duplicate"):
        find_columns("x, line 1", names, SCHEMA)
