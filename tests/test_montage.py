"""Places of the electrodes of the 10-05 system, and the flat head they are drawn on."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from eeg_letters.montage import canonical_name, flat_positions, on_sphere, positions

ROWS = (
    "N NFp Fp AFp AF AFF F FFC FFT FC FT FCC FTT C T CCP TTP CP TP CPP TPP P PPO PO POO O OI I"
).split()
OTHER_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8", "M1": "TP9", "M2": "TP10"}
PAIRS = [
    (f"{row}{number}{half}", f"{row}{number + 1}{half}")
    for row, number, half in product(ROWS, range(1, 10, 2), ("", "h"))
    if f"{row}{number}" not in OTHER_NAMES and canonical_name(f"{row}{number}{half}")
]
MIDLINE = [f"{row}z" for row in ROWS if canonical_name(f"{row}z")]
SYSTEM = [*MIDLINE, *(electrode for pair in PAIRS for electrode in pair)]

# eeg-positions 2.1.2, get_elec_coords(system="1005", dim="3d", equator="Nz-T10-Iz-T9"). It rounds
# to 4 decimals at each step of its computation, so its last digit is not exact.
REFERENCE = {
    # The left and the midline of 32 electrodes of the 10-10 system.
    "Fp1": (-0.2939, 0.9045, 0.3090),
    "F7": (-0.7695, 0.5590, 0.3090),
    "F3": (-0.4591, 0.5800, 0.6730),
    "Fz": (0.0, 0.5878, 0.8090),
    "FT9": (-0.9511, 0.3090, 0.0),
    "FC5": (-0.7658, 0.3000, 0.5688),
    "FC1": (-0.2911, 0.3079, 0.9058),
    "T7": (-0.9511, 0.0, 0.3090),
    "C3": (-0.5878, 0.0, 0.8090),
    "Cz": (0.0, 0.0, 1.0),
    "TP9": (-0.9511, -0.3090, 0.0),
    "CP5": (-0.7658, -0.3000, 0.5688),
    "CP1": (-0.2911, -0.3079, 0.9058),
    "P7": (-0.7695, -0.5590, 0.3090),
    "P3": (-0.4591, -0.5800, 0.6730),
    "Pz": (0.0, -0.5878, 0.8090),
    "O1": (-0.2939, -0.9045, 0.3090),
    "Oz": (0.0, -0.9511, 0.3090),
    # At least one of each row that these are not in, and of each column.
    "Nz": (0.0, 1.0, 0.0),
    "NFp2": (0.3052, 0.9394, 0.1564),
    "Fp1h": (-0.1488, 0.9394, 0.3090),
    "AFp9": (-0.4540, 0.8910, 0.0),
    "AF7": (-0.5590, 0.7695, 0.3090),
    "AFF1h": (-0.1023, 0.7065, 0.7003),
    "F6": (0.6408, 0.5708, 0.5135),
    "FFT10h": (0.8800, 0.4484, 0.1564),
    "FTT9h": (-0.9755, 0.1545, 0.1564),
    "FCC4h": (0.4475, 0.1552, 0.8808),
    "T10": (1.0, 0.0, 0.0),
    "TTP7h": (-0.8795, -0.1504, 0.4515),
    "CPP6h": (0.6205, -0.4447, 0.6460),
    "P9h": (-0.7991, -0.5806, 0.1564),
    "PPO4": (0.3911, -0.6978, 0.6001),
    "PO10": (0.5878, -0.8090, 0.0),
    "POO3h": (-0.1730, -0.8847, 0.4329),
    "OI1h": (-0.1545, -0.9755, 0.1564),
    "I1": (-0.3090, -0.9511, 0.0),
    "Iz": (0.0, -1.0, 0.0),
}


def test_positions_are_those_of_eeg_positions() -> None:
    np.testing.assert_allclose(positions(list(REFERENCE)), list(REFERENCE.values()), atol=1e-4)


def test_the_system_has_345_electrodes_each_at_a_place_of_its_own() -> None:
    assert len(SYSTEM) == len(set(SYSTEM)) == 345
    places = positions(SYSTEM)
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 1, atol=1e-12)
    assert places[:, 2].min() >= 0
    distances = np.linalg.norm(places[:, np.newaxis] - places, axis=2)
    assert distances[~np.eye(345, dtype=bool)].min() > 0.05


def test_right_is_left_mirrored() -> None:
    left, right = (positions(side) for side in zip(*PAIRS, strict=True))
    assert left[:, 0].max() < 0
    np.testing.assert_array_equal(left * [-1, 1, 1], right)
    np.testing.assert_array_equal(positions(MIDLINE)[:, 0], 0)


@pytest.mark.parametrize(("name", "electrode"), OTHER_NAMES.items())
def test_another_name_is_kept_and_found_at_the_same_place(name: str, electrode: str) -> None:
    assert canonical_name(name.lower()) == name
    np.testing.assert_array_equal(positions([name]), positions([electrode]))


def test_a_name_is_found_in_any_case_and_between_blanks() -> None:
    for electrode in SYSTEM:
        for written in (electrode, electrode.lower(), electrode.upper(), f" {electrode}\t"):
            assert canonical_name(written) == electrode
    np.testing.assert_array_equal(positions(["cz", " aff1H "]), positions(["Cz", "AFF1h"]))


@pytest.mark.parametrize("name", ["", "C", "z", "C9", "Fp3", "FFC7h", "C 3", "A1", "EOG", "Nasion"])
def test_a_name_that_is_not_in_the_system_is_not_found(name: str) -> None:
    assert canonical_name(name) is None
    with pytest.raises(KeyError):
        positions(["Cz", name])
    with pytest.raises(KeyError):
        flat_positions([name])


@pytest.mark.parametrize(
    ("electrode", "place"),
    [
        # Tenths and fifths of the way from nasion to inion, and from ear to ear.
        ("Cz", (0, 0)),
        ("Fz", (0, 0.4)),
        ("Oz", (0, -0.8)),
        ("C3", (-0.4, 0)),
        ("T8", (0.8, 0)),
        ("Iz", (0, -1)),
    ],
)
def test_an_electrode_is_where_the_system_defines_it(
    electrode: str, place: tuple[float, float]
) -> None:
    np.testing.assert_allclose(flat_positions([electrode]), [place], atol=1e-12)


def test_the_projection_has_an_inverse_and_ends_at_the_equator() -> None:
    flat = flat_positions(SYSTEM)
    np.testing.assert_allclose(on_sphere(flat), positions(SYSTEM), atol=1e-12)
    assert np.hypot(*flat.T).max() <= 1 + 1e-9


def test_no_electrodes_have_no_positions() -> None:
    assert positions([]).shape == (0, 3)
    assert flat_positions([]).shape == (0, 2)
