"""Places of the electrodes, and the flat head they are drawn on."""

from __future__ import annotations

import numpy as np
import pytest

from eeg_letters.montage import flat_positions, on_sphere, positions
from eeg_letters.schema import ELECTRODES

PLACES = dict(zip(ELECTRODES, flat_positions(), strict=True))


@pytest.mark.parametrize(
    ("electrode", "place"),
    [
        # Tenths and fifths of the way from nasion to inion, and from ear to ear.
        ("Cz", (0, 0)),
        ("Fz", (0, 0.4)),
        ("Oz", (0, -0.8)),
        ("C3", (-0.4, 0)),
        ("T8", (0.8, 0)),
    ],
)
def test_an_electrode_is_where_the_system_defines_it(
    electrode: str, place: tuple[float, float]
) -> None:
    np.testing.assert_allclose(PLACES[electrode], place, atol=1e-3)


def test_right_is_left_mirrored_and_none_is_beyond_the_equator() -> None:
    for electrode, place in PLACES.items():
        number = electrode.lstrip("FTCPOz" + "p")
        if number and int(number) % 2:
            twin = electrode.removesuffix(number) + str(int(number) + 1)
            np.testing.assert_allclose(place * [-1, 1], PLACES[twin])
        assert np.hypot(*place) <= 1 + 1e-9


def test_the_projection_has_an_inverse() -> None:
    np.testing.assert_allclose(on_sphere(flat_positions()), positions(), atol=1e-12)
