"""Keeps rows as fast as they are written, until it is killed; run by `test_sqlite.py`."""

from __future__ import annotations

import sys
import time

import numpy as np

from eeg_letters.database.answered import Answered, Floats, Served
from eeg_letters.database.engine import open_engine
from eeg_letters.database.keeping import Keeper
from eeg_letters.labels import LETTERS
from eeg_letters.schema import Schema, other_features
from eeg_letters.settings import Settings

WIDTH = 160


class NoScorers:
    """Nothing is left to be found out."""

    def probabilities(self, rows: Floats) -> list[Floats]:
        raise AssertionError(rows)

    def familiar(self, _: Floats) -> None:
        return None


def main(address: str, run: str) -> None:
    """Write, and say when the first batch is there."""
    schema = Schema(other_features([f"x{place}" for place in range(WIDTH)]), LETTERS)
    keeper = Keeper(
        open_engine(Settings(database=address)), Served(schema, {"eeg-lda": "1"}), NoScorers()
    )
    keeper.start()
    rows = np.ones((100, WIDTH))
    probabilities = np.ones((100, 26))
    number = 0
    while True:
        while keeper.rows_waiting > 5000:
            time.sleep(0.001)
        keeper.keep(
            Answered(
                time.time_ns() // 1000,
                f"{run}-{number}",
                "/predict",
                None,
                rows,
                [[0] * 100, [1] * 100],
                [probabilities, probabilities],
                None,
            )
        )
        number += 1
        if keeper.rows_kept:
            print("written", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
