"""The schema of a recording: its columns, electrodes, bands and letters."""

from __future__ import annotations

ELECTRODES = (
    "Cz Fz Fp1 F7 F3 FC1 C3 FC5 FT9 T7 TP9 CP5 CP1 P3 P7 O1 "
    "Pz Oz O2 P8 P4 CP2 CP6 TP10 T8 FT10 FC6 C4 FC2 F4 F8 Fp2"
).split()
BANDS = ("theta", "alpha", "betaL", "betaH", "gamma")
FEATURES = tuple(f"{electrode}/{band}" for electrode in ELECTRODES for band in BANDS)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LINE_COLUMN = "Line"
LETTER_COLUMN = "# Letter"
COLUMNS = (LINE_COLUMN, LETTER_COLUMN, *FEATURES)
