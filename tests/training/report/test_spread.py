"""Values over the scalp, as maps or as bars."""

from __future__ import annotations

import numpy as np
import pytest

from eeg_letters.schema import Features, find_band_powers
from eeg_letters.training.report.scalp import mappable
from eeg_letters.training.report.spread import most_important, spread_out, strongest


def features(*names: str) -> Features:
    found = find_band_powers(names)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("electrodes", "expected"),
    [
        ("Fz Cz C3 C4", True),
        ("Fz C3 C4", False),
        ("Fz Cz Pz Oz", False),
        ("", False),
    ],
)
def test_a_map_takes_four_places_that_are_not_in_one_line(electrodes: str, expected: bool) -> None:
    assert mappable(electrodes.split()) is expected


def test_what_has_no_place_is_in_a_table_below_the_maps() -> None:
    of = features(*(f"{name}/alpha" for name in ("Fz", "C3", "C4", "Pz", "EEG1")))
    values = np.array([[1.0], [-2.0], [0.5], [0.0], [-1.0]])
    spread = spread_out(of, values, of.band_names, strongest(values), "values")
    assert [name for name, _ in spread.maps] == ["alpha"]
    ((name, (bar,)),) = spread.rows
    assert name == "EEG1"
    assert bar is not None
    assert (bar.text, bar.share, bar.below) == ("−1", 0.5, True)


def test_where_one_band_has_too_few_electrodes_all_are_bars() -> None:
    of = features("Fz/alpha", "C3/alpha", "C4/alpha", "Pz/alpha", "Fz/beta")
    values = of.on_grid(np.arange(5.0))
    spread = spread_out(of, values, of.band_names, strongest(values), "values")
    assert spread.maps == []
    assert [name for name, _ in spread.rows] == ["Fz", "C3", "C4", "Pz"]
    assert [[bar and bar.text for bar in bars] for _, bars in spread.rows] == [
        ["0", "+4"],
        ["+1", None],
        ["+2", None],
        ["+3", None],
    ]


def test_the_most_important_features_come_first_whatever_their_sign() -> None:
    of = features("Fz/alpha", "C3/alpha", "C4/alpha")
    found = most_important(of, np.array([0.1, -3.0, 2.0]))
    assert [name for name, _ in found] == ["C3/alpha", "C4/alpha", "Fz/alpha"]
