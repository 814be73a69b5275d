"""How many rows one request may have."""

from __future__ import annotations

from eeg_letters.serving.api.limits import row_limit
from eeg_letters.settings import CELLS_A_ROW, Settings


def test_the_values_of_a_row_count_as_its_probabilities_do() -> None:
    assert row_limit(Settings(), 26, 2).rows == 2000
    assert row_limit(Settings(), 26, 2, 160).rows == 2000 * CELLS_A_ROW // (2 * 26 + 160)


def test_where_a_row_is_answered_one_is_with_its_values() -> None:
    one = Settings(max_rows=1, max_cells=CELLS_A_ROW)
    assert row_limit(one, 26, 2, 160).rows == row_limit(one, 26, 2).rows == 1
    none = Settings(max_rows=1, max_cells=1)
    assert row_limit(none, 26, 2, 160).rows == row_limit(none, 26, 2).rows == 0
