"""The schema of the simulated recordings, which most tests ask about."""

from __future__ import annotations

from eeg_letters.recordings.recording import read_recording
from eeg_letters.settings import DATA

_recording = read_recording(DATA / "train.csv")

SCHEMA = _recording.schema
COLUMNS = _recording.columns
FEATURES = SCHEMA.features.names
ELECTRODES = SCHEMA.features.electrode_names
BANDS = SCHEMA.features.band_names
LETTERS = "".join(SCHEMA.labels.names)
