"""Exports of EmotivPRO and Mind Monitor, as they come."""

from __future__ import annotations

import bz2
import csv
import io
from pathlib import Path

import numpy as np
import pytest

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.reading import read_rows
from eeg_letters.scales import Scale

BANDS = ("Theta", "Alpha", "BetaL", "BetaH", "Gamma")
SENSORS = ("AF3", "F7", "AF4")
POWERS = [f"POW.{sensor}.{band}" for sensor in SENSORS for band in BANDS]
METADATA = (
    "title:demo,start timestamp:1700000000.1,headset type:EPOCX,channels:102,"
    "sampling rate:eeg_128;pow_8,samples:64,version:2.1,"
)
# A power sample for every so many of the electrodes.
STEP = 4


def emotivpro(markers: dict[int, int], n_samples: int = 64) -> str:
    """An export: power samples are rare, and a marker may stand between two of them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Timestamp", "EEG.AF3", "MOT.Q0", "MarkerIndex", "MarkerValueInt", *POWERS])
    for sample in range(n_samples):
        has_power = sample % STEP == 0
        powers = [f"{sample}.{place:03d}" if has_power else "" for place in range(len(POWERS))]
        marker = markers.get(sample, "")
        writer.writerow([1700000000 + sample / 128, 4200.5, "", marker and 1, marker, *powers])
    return f"{METADATA}\n{text.getvalue()}"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_power_samples_have_the_marker_that_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", emotivpro({9: 5, 31: 7}))
    recording = read_any(path)
    # Samples before the first marker have no label.
    samples = [sample for sample in range(0, 64, STEP) if sample >= 9]
    assert recording.features[:, 0].tolist() == samples
    assert recording.schema.labels.values == (5, 7)
    assert recording.labels.tolist() == [0 if sample < 31 else 1 for sample in samples]
    assert recording.schema.features.names == tuple(POWERS)
    assert recording.schema.features.placed == SENSORS
    assert "EEG.AF3" in recording.unused
    assert recording.notes[:2] == (
        "EmotivPRO export",
        "labels from MarkerValueInt, held until the next marker",
    )


def test_every_power_sample_is_there_to_predict(tmp_path: Path) -> None:
    text = emotivpro({9: 5, 31: 7})
    schema = read_any(write(tmp_path / "x.csv", text)).schema
    (tmp_path / "x.bp.csv.bz2").write_bytes(bz2.compress(text.encode()))
    for name in ("x.csv", "x.bp.csv.bz2"):
        rows = read_rows(str(tmp_path / name), schema)
        assert rows.features[:, 0].tolist() == [*range(0, 64, STEP)]
        assert rows.labels is not None
        assert rows.labels.tolist() == [None] * 3 + [5] * 5 + [7] * 8


def test_a_gap_within_a_power_sample_is_an_error(tmp_path: Path) -> None:
    text = emotivpro({0: 5, 31: 7}).replace("12.003", "")
    with pytest.raises(
        RecordingError, match=r"line 15, column POW.AF3.BetaH: the value is missing"
    ):
        read_any(write(tmp_path / "x.csv", text))


def test_without_a_marker_there_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="the file has no rows with a label"):
        read_any(write(tmp_path / "x.csv", emotivpro({})))


def test_a_column_of_labels_comes_before_markers(tmp_path: Path) -> None:
    lines = emotivpro({0: 5}).splitlines()
    lines[1] += ",label"
    lines[2:] = [f"{line},{place % 2}" for place, line in enumerate(lines[2:])]
    recording = read_any(write(tmp_path / "x.csv", "\n".join(lines)))
    assert recording.schema.labels.values == (0,)
    assert len(recording) == 16


MONITOR = "TimeStamp,Theta_TP9,Theta_AF7,Alpha_TP9,Alpha_AF7,Battery,Elements\n"


def mind_monitor() -> str:
    rows = [
        "2024-01-01 10:00:00.1,0.5,-0.5,1,-1,90.0,",
        "2024-01-01 10:00:01.0,,,,,,/Marker/left",
        "2024-01-01 10:00:01.1,0,0.25,1.5,-2,90.0,",
        "2024-01-01 10:00:01.5,,,,,,/muse/elements/blink",
        "2024-01-01 10:00:02.1,0.1,0.2,0.3,0.4,90.0,",
        "2024-01-01 10:00:03.0,,,,,,/Marker/right",
        "2024-01-01 10:00:03.1,2,2,2,2,90.0,",
    ]
    return MONITOR + "\n".join(rows)


def test_mind_monitor_writes_logarithms(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", mind_monitor())
    recording = read_any(path)
    assert recording.schema.scale is Scale.LOG10
    assert recording.schema.labels.values == ("left", "right")
    assert recording.labels.tolist() == [0, 0, 1]
    expected = 10 ** np.array([[0, 0.25, 1.5, -2], [0.1, 0.2, 0.3, 0.4], [2, 2, 2, 2]])
    np.testing.assert_allclose(recording.features, expected, rtol=1e-15)
    rows = read_rows(str(path), recording.schema)
    assert len(rows) == 4
    np.testing.assert_array_equal(rows.features[1:], recording.features)


def test_a_scale_that_the_program_contradicts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", mind_monitor())
    with pytest.raises(UserError, match=r"--scale dB: the values of .*x\.csv, line 1 are log10"):
        read_any(path, scale=Scale.DB)


TABLE = "label,Cz/theta,Cz/alpha\na,-3,10\nb,20,0\n"


@pytest.mark.parametrize(("scale", "by"), [(Scale.LOG10, 1), (Scale.DB, 10)])
def test_logarithms_become_powers(tmp_path: Path, scale: Scale, by: int) -> None:
    path = write(tmp_path / "x.csv", TABLE)
    recording = read_any(path, scale=scale)
    np.testing.assert_allclose(
        recording.features, 10 ** (np.array([[-3, 10], [20, 0]]) / by), rtol=1e-15
    )
    # By the schema that training keeps, as another process has it.
    schema = type(recording.schema).from_metadata(recording.schema.to_metadata())
    assert schema == recording.schema
    rows = read_rows(str(path), schema)
    np.testing.assert_array_equal(rows.features, recording.features)
    np.testing.assert_array_equal(read_any(path, schema).features, recording.features)


def test_a_logarithm_of_no_power_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", TABLE.replace("20", "400"))
    with pytest.raises(RecordingError, match="line 3, column Cz/theta: '400' is too large"):
        read_any(path, scale=Scale.LOG10)
    schema = read_any(write(tmp_path / "y.csv", TABLE), scale=Scale.LOG10).schema
    with pytest.raises(RecordingError, match="line 3, column Cz/theta: '400' is too large"):
        read_rows(str(path), schema)


def test_features_that_are_no_band_powers_have_no_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "label,one,two\na,1,2\nb,3,4\n")
    with pytest.raises(UserError, match="--scale dB: the features are no band powers"):
        read_any(path, scale=Scale.DB)
