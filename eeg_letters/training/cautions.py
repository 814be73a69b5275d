"""Cautions about recordings: what a reader of the figures has to know, in sentences.

Names of classes and files come from whoever shows the sentences, which knows what can be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from eeg_letters.labels import Labels, listed
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.holding_out import Plan

# Medians of two recordings farther apart are unlikely to be of one unit.
_SCALES_APART = 10


def reordered_rows(training: Dataset, test: Dataset, files: Sequence[str]) -> list[str]:
    """Recordings whose rows are taken in another order than their files have.

    Parameters
    ----------
    training, test : Dataset
        As `eeg_letters.training.gathering` reads them.
    files : sequence of str
        Name of each training recording, then of each test recording.
    """
    return [
        f"The rows of {file} are taken in the order of {recording.ordered_by}, in which they were"
        " recorded; the file has another."
        for file, recording in zip(files, (*training.recordings, *test.recordings), strict=True)
        if recording.ordered_by
    ]


def repeated_rows(training: Dataset, test: Dataset, files: Sequence[str]) -> list[str]:
    """Test rows that are also training rows, with the same values and label.

    Parameters
    ----------
    training, test : Dataset
        Of one schema.
    files : sequence of str
        Name of each test recording.
    """
    known = set(_digests(training))
    repeated = np.array([digest in known for digest in _digests(test)])
    sentences = []
    for place, file in enumerate(files):
        rows = repeated[test.places == place]
        if rows.any():
            of_file = f" of {file}" if len(files) > 1 else ""
            sentences.append(
                f"{rows.sum()} of {len(rows)} test rows{of_file} are also training rows, with the"
                " same values and label: how well they are labelled says nothing about new rows."
            )
    return sentences


def unshared_classes(training: Dataset, test: Dataset, names: Sequence[str]) -> list[str]:
    """Classes that only training recordings have, and those that only test recordings have.

    Parameters
    ----------
    training, test : Dataset
        Of one schema.
    names : sequence of str
        Of each of its classes.
    """
    labels = training.schema.labels
    sentences = []
    if (strangers := np.setdiff1d(test.classes, training.classes)).size:
        rows = int(np.isin(test.labels, strangers).sum())
        sentences.append(
            f"Only the test has {_classes(labels, strangers, names)}: {rows} of its {len(test)}"
            " rows cannot be labelled rightly, as the models were not trained on their"
            f" {labels.noun}."
        )
    if (untested := np.setdiff1d(training.classes, test.classes)).size:
        sentences.append(
            f"Only the training has {_classes(labels, untested, names)}: how well rows of"
            f" {'it' if untested.size == 1 else 'them'} are labelled was not tested."
        )
    return sentences


def unshared_in_training(
    training: Dataset, plan: Plan, names: Sequence[str], files: Sequence[str]
) -> list[str]:
    """Classes that one of several training recordings alone has, where these are held out whole.

    Parameters
    ----------
    training : Dataset
        Rows of the session to come do not count.
    plan : Plan
        Of the estimate.
    names : sequence of str
        Of each class of the schema.
    files : sequence of str
        Name of each training recording.
    """
    if not plan.by_recording:
        return []
    labels = training.schema.labels
    own = [np.unique(recording.labels) for recording in training.earlier]
    classes, counts = np.unique(np.concatenate(own), return_counts=True)
    sentences = []
    for file, of_file in zip(files, own, strict=False):
        if (lone := np.intersect1d(of_file, classes[counts == 1])).size:
            sentences.append(
                f"Of the training recordings only {file} has {_classes(labels, lone, names)}: an"
                " estimate that holds out whole recordings says nothing of"
                f" {'it' if lone.size == 1 else 'them'}."
            )
    return sentences


def classes_of_one_row(training: Dataset, names: Sequence[str]) -> list[str]:
    """Classes of which the training has a single row.

    Parameters
    ----------
    training : Dataset
        What the models were fitted to.
    names : sequence of str
        Of each class of the schema.
    """
    lone = np.flatnonzero(np.bincount(training.labels) == 1)
    if not lone.size:
        return []
    return [
        f"The training has a single row of {'each of ' if lone.size > 1 else ''}"
        f"{_classes(training.schema.labels, lone, names)}: one row teaches little, and the estimate"
        f" says nothing of {'it' if lone.size == 1 else 'them'}."
    ]


def not_held_out(plan: Plan, files: Sequence[str]) -> list[str]:
    """Which of several training recordings the estimate does not hold out whole, and why.

    Parameters
    ----------
    plan : Plan
        Of the estimate.
    files : sequence of str
        Name of each training recording.
    """
    by_reason: dict[str, list[str]] = {}
    for place, reason in plan.kept.items():
        by_reason.setdefault(reason, []).append(files[place])
    told = "; ".join(f"{listed(named)} ({reason})" for reason, named in by_reason.items())
    if not told:
        return []
    if not plan.by_recording:
        return [f"For the estimate no training recording could be held out whole: {told}."]
    return [f"The estimate says nothing of these training recordings, not held out: {told}."]


def unadapted_classes(training: Dataset, names: Sequence[str]) -> list[str]:
    """Classes that the session to come has no rows of, where it has some of others.

    Parameters
    ----------
    training : Dataset
        What the models were fitted to.
    names : sequence of str
        Of each class of the schema.
    """
    if not training.n_adapting:
        return []
    labels = training.schema.labels
    missing = np.setdiff1d(training.classes, training.labels[training.are_adapting])
    if not missing.size:
        return []
    return [
        f"The rows to adapt by have none of {_classes(labels, missing, names)}: the models lean to"
        f" the {labels.plural} that they have."
    ]


def unlike_scales(training: Dataset, test: Dataset, files: Sequence[str]) -> list[str]:
    """Recordings whose band powers differ so much that they cannot be of one unit.

    Parameters
    ----------
    training, test : Dataset
        Of one schema. If its features are no band powers, nothing is said.
    files : sequence of str
        Name of each training recording, then of each test recording.
    """
    if not training.schema.features.are_powers:
        return []
    recordings = (*training.recordings, *test.recordings)
    with np.errstate(over="ignore"):
        medians = [float(np.median(recording.features)) for recording in recordings]
    groups: list[list[int]] = []
    for place in np.argsort(medians, kind="stable").tolist():
        if not groups or medians[place] > _SCALES_APART * medians[groups[-1][0]]:
            groups.append([])
        groups[-1].append(place)
    told = [
        f"{medians[group[0]]:.3g} in {listed(list(dict.fromkeys(files[place] for place in group)))}"
        for group in groups
    ]
    if len(told) == 1:
        return []
    return [
        f"The scales of the recordings differ more than {_SCALES_APART}-fold: the median of all"
        f" band powers is {'; '.join(told[:-1])} and {told[-1]}. Are they in one unit? 1 V² is"
        " 10^12 µV²."
    ]


def shared_rows(training: Dataset, files: Sequence[str]) -> list[str]:
    """Rows that are in the training more than once, with the same values and label.

    Parameters
    ----------
    training : Dataset
        What the models were fitted to.
    files : sequence of str
        Name of each training recording.
    """
    digests = np.array(
        [int.from_bytes(digest[:8], "little") for digest in _digests(training)], np.uint64
    )
    sentences = []
    for place, file in enumerate(files):
        own, others = training.places == place, training.places < place
        if repeated := int(own.sum()) - np.unique(digests[own]).size:
            sentences.append(
                f"{repeated} of {own.sum()} rows of {file} repeat another row of it, with the same"
                " values and label: an estimate that holds out a part of it may know the rows."
            )
        if shared := int(np.isin(digests[own], digests[others]).sum()):
            sentences.append(
                f"{shared} of {own.sum()} rows of {file} are also in another training recording: an"
                " estimate that holds out one of them knows the rows."
            )
    return sentences


def _digests(dataset: Dataset) -> Iterator[bytes]:
    # A digest of each row: the rows themselves would take as much memory again.
    for features, label in zip(dataset.features, dataset.labels, strict=True):
        # Of zero there are two, which are equal.
        yield blake2b((features + 0.0).tobytes() + label.tobytes(), digest_size=16).digest()


def _classes(labels: Labels, places: NDArray[np.int64], names: Sequence[str]) -> str:
    noun = labels.noun if len(places) == 1 else labels.plural
    return f"the {noun} {listed([names[place] for place in places])}"
