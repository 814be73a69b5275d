"""One table in every way that people's programs write it, and some that no reader may take."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import polars as pl

from eeg_letters.labels import LETTER_COLUMN
from eeg_letters.recordings.recording import Recording, read_recording
from eeg_letters.settings import DATA

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Five rows of each of six letters.
LETTERS, ROWS_A_LETTER = 6, 5


def shipped_rows() -> tuple[list[str], list[list[Any]]]:
    """Columns, and rows of numbers."""
    recording: Recording = read_recording(DATA / "train.csv")
    chosen: list[dict[str, str]] = []
    for letter in range(LETTERS):
        places = [place for place, label in enumerate(recording.labels) if label == letter]
        lines = list(recording.rows)
        chosen += [json.loads(recording.rows[lines[place]]) for place in places[:ROWS_A_LETTER]]
    columns = list(chosen[0])
    rows = [
        [line, int(row[LETTER_COLUMN]), *(float(row[name]) for name in columns[2:])]
        for line, row in enumerate(chosen)
    ]
    return columns, rows


def to_text(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    separator: str = ",",
    end: str = "\n",
    point: str = ".",
) -> str:
    """As CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([[str(cell).replace(".", point) for cell in row] for row in rows])
    return text.getvalue()


def texts(columns: list[str], rows: list[list[Any]]) -> dict[str, bytes]:
    """Every dialect of CSV, by a name for it."""
    plain = to_text(columns, rows)
    lines = plain.splitlines()
    letters = "ABCDEF"
    found = {
        "plain.csv": plain,
        "semicolons.csv": to_text(columns, rows, ";"),
        "semicolons and decimal commas.csv": to_text(columns, rows, ";", point=","),
        "tabs.tsv": to_text(columns, rows, "\t"),
        "tabs and decimal commas.tsv": to_text(columns, rows, "\t", point=","),
        "quotes and decimal commas.csv": to_text(columns, rows, ",", point=","),
        "CRLF.csv": to_text(columns, rows, end="\r\n"),
        "CR.csv": to_text(columns, rows, end="\r"),
        "trailing commas.csv": "".join(f"{line},\n" for line in lines),
        "trailing commas after rows.csv": "\n".join(
            [lines[0], *(f"{line}," for line in lines[1:])]
        ),
        "lines of commas.csv": "\n".join(
            part for line in lines for part in (line, "," * (len(columns) - 1))
        ),
        "blank lines.csv": "\n\n".join(lines) + "\n  \n",
        "comments.csv": f"# recorded on a Monday, in a quiet room\n% subject 1\n{plain}# the end\n",
        "header in a comment.csv": f"# {lines[0]}\n" + "\n".join(lines[1:]),
        "sep line.csv": to_text(["sep=;"], []) + to_text(columns, rows, ";"),
        "blanks in the header.csv": to_text([f" {name} " for name in columns], rows),
        "upper case.csv": to_text([name.upper() for name in columns], rows),
        "label.csv": to_text(["Line", "label", *columns[2:]], rows),
        "Letter.csv": to_text(["Line", "Letter", *columns[2:]], rows),
        "letters as text.csv": to_text(columns, [[r[0], letters[r[1]], *r[2:]] for r in rows]),
        "labels as floats.csv": to_text(columns, [[r[0], float(r[1]), *r[2:]] for r in rows]),
        "no line numbers.csv": to_text(columns[1:], [row[1:] for row in rows]),
        "index column.csv": to_text(["", *columns], [[i, *row] for i, row in enumerate(rows)]),
        "extra columns.csv": to_text(
            [*columns, "Timestamp", "note"], [[*row, "10:00:00.5", "a, b"] for row in rows]
        ),
        "other order.csv": to_text(columns[::-1], [row[::-1] for row in rows]),
    }
    encoded = {name: text.encode() for name, text in found.items()}
    encoded |= {
        "byte order mark.csv": b"\xef\xbb\xbf" + plain.encode(),
        "UTF-16 as Excel writes it.csv": to_text(columns, rows, "\t", "\r\n").encode("utf-16"),
        "UTF-16 without a mark.csv": plain.encode("utf-16-le"),
        "UTF-16 big endian.csv": b"\xfe\xff" + plain.encode("utf-16-be"),
        "Latin-1 in a comment.csv": f"# Übung\n{plain}".encode("latin-1"),
        "Latin-1 in a note.csv": to_text(
            [*columns, "Notiz"], [[*row, "müde"] for row in rows]
        ).encode("latin-1"),
    }
    return encoded


def compressed(columns: list[str], rows: list[list[Any]]) -> dict[str, bytes]:
    """Compressed CSV, by a name for it."""
    plain = to_text(columns, rows).encode()
    return {
        "gzip.csv.gz": gzip.compress(plain),
        "bzip2.csv.bz2": bz2.compress(plain),
        "zstd.csv.zst": zstd.compress(plain),
        "gzip of UTF-16.csv.gz": gzip.compress(plain.decode().encode("utf-16")),
    }


def documents(columns: list[str], rows: list[list[Any]]) -> dict[str, bytes]:
    """Every orientation of JSON, by a name for it."""
    frame = pd.DataFrame(rows, columns=columns)
    found = {
        f"{orient}.json": frame.to_json(orient=orient).encode()
        for orient in ("records", "split", "index", "columns")
    }
    lines = frame.to_json(orient="records", lines=True).encode()
    by_column = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
    indented = json.dumps(frame.to_dict(orient="records"), indent=1)
    return found | {
        "lines.jsonl": lines,
        "lines with a mark.jsonl": b"\xef\xbb\xbf" + lines,
        "lists.json": json.dumps(by_column).encode(),
        "rows.json": b'{"rows": ' + found["records.json"] + b"}",
        "indented.json": indented.encode(),
    }


def binary(columns: list[str], rows: list[list[Any]]) -> dict[str, bytes]:
    """Parquet, Feather and Excel as pandas and polars write them, by a name for it."""
    frame = pd.DataFrame(rows, columns=columns)
    categories = frame.assign(
        **{LETTER_COLUMN: pd.Categorical(["ABCDEF"[i] for i in frame[LETTER_COLUMN]])}
    )
    other = pl.DataFrame(rows, schema=columns, orient="row")
    found = {}
    writers: dict[str, Callable[[io.BytesIO], Any]] = {
        "pandas.parquet": frame.to_parquet,
        "pandas with categories.parquet": categories.to_parquet,
        "pandas.feather": frame.to_feather,
        "pandas.xlsx": lambda file: frame.to_excel(file, index=False),
        "polars.parquet": other.write_parquet,
        "polars.feather": lambda file: other.write_ipc(file, compression="zstd"),
    }
    for name, write in writers.items():
        file = io.BytesIO()
        write(file)
        found[name] = file.getvalue()
    return found
