"""The schema: features, electrodes, bands and classes, from the names and labels of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eeg_letters.errors import SchemaError
from eeg_letters.labels import (
    LABEL_COLUMNS,
    LETTERS,
    LabelKind,
    Labels,
    find_label_column,
    find_labels,
    parse_label,
)
from eeg_letters.schema import (
    Features,
    Schema,
    difference,
    find_band_powers,
    other_features,
    parse_band_power,
)
from tests.shipped import SCHEMA

EMOTIV = ["POW.AF3.Theta", "POW.AF3.BetaL", "POW.F7.Theta", "POW.F7.BetaL"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Cz/theta", ("Cz", "theta")),
        ("CZ/Theta", ("CZ", "Theta")),
        (" fp1 / alpha ", ("fp1", "alpha")),
        ("E12/alpha", ("E12", "alpha")),
        ("Cz/mu band", ("Cz", "mu band")),
        ("POW.AF3.Theta", ("AF3", "Theta")),
        ("pow.T7.BetaL", ("T7", "BetaL")),
        ("Delta_TP9", ("TP9", "Delta")),
        ("theta_AUX1", ("AUX1", "theta")),
        ("low_alpha_TP9", ("TP9", "low_alpha")),
        ("high beta_C3", ("C3", "high beta")),
        # Neither the electrode nor the band is known.
        ("left/right", None),
        ("km/h", None),
        ("a/b/c", None),
        # What Mind Monitor and feature tables have besides band powers.
        ("RAW_TP9", None),
        ("HSI_TP9", None),
        ("alpha_mean", None),
        ("fft_1_b", None),
        ("mean_0_a", None),
        ("EEG.AF3", None),
        ("Cz", None),
        ("", None),
    ],
)
def test_electrode_and_band_are_read_from_a_name(
    name: str, expected: tuple[str, str] | None
) -> None:
    assert parse_band_power(name) == expected


def test_names_are_kept_and_electrodes_and_bands_are_spelled_alike() -> None:
    names = ["POW.af3.Theta", "POW.AF3.alpha", "POW.F7.THETA", "POW.eeg1.theta", "POW.EEG1.Alpha"]
    found = find_band_powers([*names[:2], "MarkerIndex", *names[2:]])
    assert found is not None
    assert found.names == tuple(names)
    assert found.electrodes == ("AF3", "AF3", "F7", "eeg1", "eeg1")
    assert found.bands == ("Theta", "alpha", "Theta", "Theta", "alpha")
    assert found.electrode_names == ("AF3", "F7", "eeg1")
    assert found.placed == ("AF3", "F7")
    assert found.grid.tolist() == [[0, 1], [2, -1], [3, 4]]
    assert found.describe() == "5 band powers"
    assert found.are_powers


def test_where_no_name_tells_electrode_and_band_there_are_no_band_powers() -> None:
    assert find_band_powers(["mean_0_a", "fft_1_b"]) is None
    found = other_features(["mean_0_a", "fft_1_b"])
    assert not found.are_powers
    assert found.electrode_names == found.band_names == found.placed == ()
    assert found.describe() == "2 features"


@pytest.mark.parametrize(
    "names", [("Cz/alpha", "CZ/Alpha"), ("T3/alpha", "T7/alpha"), ("Cz/alpha", "POW.Cz.Alpha")]
)
def test_two_columns_of_one_electrode_and_band_are_refused_by_name(names: tuple[str, str]) -> None:
    with pytest.raises(SchemaError, match=f"columns {names[0]} and {names[1]}"):
        find_band_powers(names)


def test_features_are_found_whatever_the_case_and_order() -> None:
    features = find_band_powers(EMOTIV)
    assert features is not None
    columns = [name.upper() for name in reversed(EMOTIV)]
    assert features.spelled(columns) == tuple(reversed(columns))
    assert features.spelled([*EMOTIV, *columns]) == tuple(EMOTIV)
    with pytest.raises(SchemaError, match=r"column POW\.F7\.Theta: the column is missing"):
        features.spelled([*EMOTIV[:2], "POW.F7.BetaL"])


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        (" 4 ", 4),
        ("4.0", 4),
        (4.0, 4),
        (np.int64(4), 4),
        ("-769", -769),
        ("+7", 7),
        ("1e2", 100),
        (" left ", "left"),
        ("1_0", "1_0"),
        ("A", "A"),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_a_label_is_a_whole_number_or_text(cell: Any, label: int | str) -> None:
    assert parse_label(cell) == label


@pytest.mark.parametrize(
    ("cell", "fragment"),
    [
        ("", "the value is missing"),
        (" ", "the value is missing"),
        (None, "the value is missing"),
        (float("nan"), "the value is missing"),
        ("0.5", "'0.5' is neither a whole number nor text"),
        (0.5, "0.5 is neither a whole number nor text"),
        ("nan", "'nan' is neither a whole number nor text"),
        ("inf", "'inf' is neither"),
        (True, "True is neither"),
        ([1], r"\[1\] is neither"),
        (str(2**63), "larger than any label can be"),
        (2**63, "larger than any label can be"),
        ("9" * 400, "larger than any label can be|neither a whole number"),
    ],
)
def test_what_is_neither_is_refused(cell: Any, fragment: str) -> None:
    with pytest.raises(SchemaError, match=fragment):
        parse_label(cell)


@pytest.mark.parametrize(
    ("column", "cells", "kind", "values"),
    [
        ("# Letter", ["0", "25", "3"], LabelKind.LETTERS, tuple(range(26))),
        ("# Letter", ["A", "Z"], LabelKind.LETTERS, tuple(range(26))),
        ("# Letter", ["0", "26"], LabelKind.NUMBERS, (0, 26)),
        ("# Letter", ["right", "left"], LabelKind.TEXT, ("left", "right")),
        ("# Letter", ["a", "b"], LabelKind.TEXT, ("a", "b")),
        ("label", ["3", "1.0", "1"], LabelKind.NUMBERS, (1, 3)),
        ("label", ["A", "B"], LabelKind.TEXT, ("A", "B")),
        ("class", ["770", "-1", "769"], LabelKind.NUMBERS, (-1, 769, 770)),
        ("class", ["1", "rest"], LabelKind.TEXT, ("1", "rest")),
        ("class", [" b ", "B", "b"], LabelKind.TEXT, ("B", "b")),
    ],
)
def test_classes_are_found_in_order(
    column: str, cells: list[str], kind: LabelKind, values: tuple[Any, ...]
) -> None:
    found = find_labels(cells, column)
    assert (found.kind, found.values) == (kind, values)
    assert found.array.tolist() == list(values)
    for cell in cells:
        place = found.index(cell)
        assert found.names[place] == (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place] if kind is LabelKind.LETTERS else str(values[place])
        )


EVENTS = Labels(LabelKind.NUMBERS, (769, 770, 771))
HANDS = Labels(LabelKind.TEXT, ("left", "right"))


@pytest.mark.parametrize(
    ("labels", "cell", "sentence"),
    [
        (LETTERS, "26", r"26 is not a letter \(0 is A, 25 is Z\)"),
        (LETTERS, "a", "'a' is not a letter"),
        (EVENTS, "772", "772 is none of the classes 769, 770, 771"),
        (EVENTS, "left", "'left' is none of the classes 769, 770, 771"),
        (HANDS, "Left", "'Left' is none of the classes left, right"),
        (HANDS, 3, "'3' is none of the classes left, right"),
        (HANDS, "", "the value is missing"),
    ],
)
def test_a_label_that_stands_for_no_class_is_refused_by_name(
    labels: Labels, cell: Any, sentence: str
) -> None:
    with pytest.raises(SchemaError, match=sentence):
        labels.index(cell)


def test_the_classes_of_a_message_are_the_first_few() -> None:
    many = Labels(LabelKind.NUMBERS, tuple(range(300)))
    with pytest.raises(SchemaError, match="0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 … 299"):
        many.index("300")


def test_the_label_column_is_found_or_named() -> None:
    for name in LABEL_COLUMNS:
        assert find_label_column(["Line", name, "Cz/alpha"]) == name
    assert find_label_column(["Line", "Cz/alpha"]) is None
    assert find_label_column(["label", "stim"], "stim") == "stim"
    assert find_label_column(["label", "class"], "class") == "class"
    assert find_label_column(["label"], "stim") == "label"
    with pytest.raises(SchemaError, match="columns label and class: both may have the labels"):
        find_label_column(["class", "label", "x"])


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        Schema(other_features(["a", "b"]), HANDS, "stim"),
        Schema(Features(("Cz/x",), ("Cz",), ("x",)), EVENTS),
    ],
)
def test_what_the_store_keeps_is_read_back(schema: Schema) -> None:
    assert Schema.from_metadata(schema.to_metadata()) == schema


def test_a_schema_says_what_it_has() -> None:
    assert SCHEMA.describe() == "32 electrodes × 5 bands, 26 letters"
    hands = Schema(other_features(["a"]), HANDS)
    assert hands.describe() == "1 feature, 2 classes: left, right"


def test_what_differs_is_named_column_first() -> None:
    names = SCHEMA.features.names
    one = Schema(other_features(["a", "b"]), HANDS)
    assert difference(one, Schema(other_features(["a", "b"]), HANDS, "stim")) is None
    assert difference(SCHEMA, one) == f"column a in place of {names[0]}"
    assert difference(one, Schema(other_features(["a"]), HANDS)) == "1 feature in place of 2"
    assert difference(one, Schema(other_features(["a", "b"]), EVENTS)) == (
        "the classes 769, 770, 771 in place of the classes left, right"
    )
