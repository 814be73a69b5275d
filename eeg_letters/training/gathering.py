"""Reading the recordings of a training: to fit, to adapt by, and to test."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eeg_letters.errors import RecordingError, UserError
from eeg_letters.labels import MAX_CLASSES, LabelKind, Labels
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from eeg_letters.recordings.sources import display_name
from eeg_letters.scales import Scale
from eeg_letters.schema import Schema
from eeg_letters.training.dataset import Dataset

_KINDS = {
    LabelKind.LETTERS: "letters",
    LabelKind.NUMBERS: "whole numbers",
    LabelKind.TEXT: "text",
}
# The store keeps a note of each.
MOST_FILES = 200


def find_files(option: str, patterns: Sequence[str]) -> list[Path]:
    """The files that an option names, in its order.

    Parameters
    ----------
    option : str
        For messages.
    patterns : sequence of str
        Names of files, or patterns such as ``sessions/*.csv``, whose files come sorted.

    Raises
    ------
    UserError
        When no file fits a pattern, one file is there twice, or there are too many.
    """
    found: list[Path] = []
    for pattern in patterns:
        if os.path.lexists(pattern) or not glob.has_magic(pattern):
            found.append(Path(pattern))
            continue
        # Path.glob takes no pattern from the root on.
        files = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not files:
            raise UserError(f"{option} {display_name(pattern)}: no file fits this pattern")
        found += map(Path, files)
    if len(found) > MOST_FILES:
        raise UserError(f"{option}: {len(found)} recordings; {MOST_FILES} at most are taken")
    seen: dict[str, Path] = {}
    for path in found:
        other = seen.setdefault(os.path.realpath(path), path)
        if other is not path:
            raise _twice(option, other, path)
    return found


def read_training(
    files: Sequence[Path], adapting: Sequence[Path], label: str | None, scale: Scale | None
) -> Dataset:
    """Read the recordings to fit to.

    The first one tells the features; the classes are those of all. The rows of each are put in the
    order of their line numbers, for estimate and clock take their order for that of time.

    Parameters
    ----------
    files : sequence of pathlib.Path
        One or more.
    adapting : sequence of pathlib.Path
        Those of the session to come, maybe none.
    label, scale
        As of `eeg_letters.recordings.recording.read_recording`.

    Raises
    ------
    RecordingError
        When one cannot be read, does not fit the first, or has the content of another.
    """
    paths = [*files, *adapting]
    first = read_any(paths[0], label=label, scale=scale)
    schema = first.schema
    if len(paths) > 1 and not schema.labels.are_letters:
        alone = [read_any(path, label=label, scale=scale).schema for path in paths[1:]]
        schema = replace(schema, labels=_all_labels(paths, [schema, *alone]))
    recordings = [
        first if path is paths[0] and schema == first.schema else read_any(path, schema)
        for path in paths
    ]
    recordings = [recording.in_order() for recording in recordings]
    _check_distinct("--train, --adapt" if adapting else "--train", recordings)
    return Dataset(tuple(recordings), len(adapting))


def read_test(files: Sequence[Path], schema: Schema) -> Dataset:
    """Read the recordings to test on, by the schema of the training, with rows in order likewise.

    Raises
    ------
    RecordingError
        When one cannot be read, does not fit, or has the content of another.
    """
    recordings = tuple(read_any(path, schema).in_order() for path in files)
    _check_distinct("--test", recordings)
    return Dataset(recordings)


def _all_labels(paths: Sequence[Path], schemas: Sequence[Schema]) -> Labels:
    every = [schema.labels for schema in schemas]
    kind = every[0].kind
    for path, labels in zip(paths, every, strict=True):
        if labels.kind is not kind:
            raise RecordingError(
                f"{display_name(str(path))}: its labels are {_KINDS[labels.kind]}, those of"
                f" {display_name(str(paths[0]))} are {_KINDS[kind]}"
            )
    if kind is LabelKind.NUMBERS:
        numbers = {int(value) for labels in every for value in labels.values}
        merged = Labels(kind, tuple(sorted(numbers)))
    else:
        names = {name for labels in every for name in labels.names}
        merged = Labels(kind, tuple(sorted(names)))
    if len(merged.values) > MAX_CLASSES:
        raise RecordingError(
            f"{', '.join(display_name(str(path)) for path in paths)}: {len(merged.values)} classes;"
            f" training takes {MAX_CLASSES} at most"
        )
    return merged


def _check_distinct(option: str, recordings: Sequence[Recording]) -> None:
    seen: dict[str, Path] = {}
    for recording in recordings:
        other = seen.setdefault(recording.sha256, recording.path)
        if other is not recording.path:
            raise _twice(option, other, recording.path)


def _twice(option: str, one: Path, other: Path) -> UserError:
    first, second = display_name(str(one)), display_name(str(other))
    if first == second:
        return UserError(f"{option}: {first} is named twice")
    return UserError(f"{option}: {first} and {second} are the same recording")
