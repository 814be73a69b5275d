"""How many rows a request may have, and how many are answered at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from eeg_letters.errors import Problem
from eeg_letters.scoring.scorer import Floats
from eeg_letters.settings import Settings

# A few milliseconds of work where rows are short or classes many: in rows and in probabilities.
PART_ROWS = 128
PART_CELLS = 8 * 1024
# Probabilities whose JSON is no large answer.
FEW_CELLS = 2 * 1024
# Columns that a table may have besides some for each feature.
MORE_COLUMNS = 2000


def check_columns(number: int, n_features: int) -> None:
    """Make sure that a table has not so many columns that to look at their names takes long.

    Raises
    ------
    Problem
        422.
    """
    most = 4 * n_features + MORE_COLUMNS
    if number > most:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"There are {number} columns; a table has at most {most}.",
        )


@dataclass(frozen=True)
class RowLimit:
    """The most rows of one request, by their number or by the size of their answer.

    Attributes
    ----------
    rows : int
        How many.
    detail : str
        What a client is told that sends more.
    part : int
        The most that are answered before other requests have their turn.
    few : int
        The most that are answered at once: `eeg_letters.serving.asgi.Application.answer`.
    """

    rows: int
    detail: str
    part: int = sys.maxsize
    few: int = 0

    def check(self, rows: int) -> None:
        """Make sure that there are no more rows.

        Raises
        ------
        Problem
            413.
        """
        if rows > self.rows:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self.detail)

    def parts(self, parsed: Iterable[Floats]) -> Iterator[Floats]:
        """The same rows, no more than `part` at a time."""
        for rows in parsed:
            if len(rows) <= self.part:
                yield rows
            else:
                yield from (rows[i : i + self.part] for i in range(0, len(rows), self.part))


def row_limit(settings: Settings, n_labels: int, n_models: int, n_values: int = 0) -> RowLimit:
    """The limit of a route that answers with all probabilities of some models.

    Parameters
    ----------
    settings : Settings
        Limits of any.
    n_labels, n_models : int
        How many probabilities a row has.
    n_values : int
        How many features an answer has for each row besides.
    """
    cells = n_labels * n_models + n_values
    # Where a row is answered, one is with its values: the page at / asks for nothing else.
    least = min(1, settings.max_cells // (n_labels * n_models))
    by_cells = max(settings.max_cells // cells, least)
    part = min(PART_ROWS, max(1, PART_CELLS // cells))
    few = min(PART_ROWS - 1, FEW_CELLS // cells)
    if by_cells >= settings.max_rows:
        most = settings.max_rows
        detail = f"There are more than {most} rows; send them in several requests."
        return RowLimit(most, detail, part, few)
    return RowLimit(
        by_cells,
        f"There are more than {by_cells} rows: an answer has at most {settings.max_cells}"
        f" {'numbers' if n_values else 'probabilities'}, and a row has {cells} ({n_labels} classes"
        f" by {n_models} {'model' if n_models == 1 else 'models'}"
        f"{f' and {n_values} values' if n_values else ''}); send them in several requests.",
        part,
        few,
    )
