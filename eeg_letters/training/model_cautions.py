"""Cautions about models: what a reader has to know about their figures, in sentences.

Names of classes and files come from whoever shows the sentences, which knows what can be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import binom

from eeg_letters.labels import Labels, listed
from eeg_letters.training.calibration import MOST
from eeg_letters.training.choosing import Candidate
from eeg_letters.training.clock import WITHIN, Told
from eeg_letters.training.evaluation import Evaluation
from eeg_letters.training.resampling import blocks

# As likely as that may lot exchange two classes.
_BY_LOT = 0.05
# The search comes near to its bound and does not reach it.
_AT_BOUND = 0.99
# Probabilities that are this much too low on average mislead.
_UNSURE = 0.1


def worse_than_estimated(
    evaluations: Mapping[str, tuple[Evaluation | None, Evaluation]], held_out: str
) -> list[str]:
    """Models that do worse on the test than was estimated, by more than lot explains.

    Parameters
    ----------
    evaluations : dict of str to (Evaluation or None, Evaluation)
        By a model's name, the estimate and the test.
    held_out : str
        What the estimate holds out.
    """
    return [
        f"{title} does {100 * (estimate.accuracy - test.accuracy):.0f} points worse on the test"
        f" than on held-out {held_out} of the training: what it learned holds only in part there."
        for title, (estimate, test) in evaluations.items()
        if estimate is not None
        and estimate.beats_guessing
        and estimate.accuracy > test.interval.high
        and test.accuracy < estimate.interval.low
    ]


def flat_probabilities(chosen: Mapping[str, Candidate], noun: str) -> list[str]:
    """Models whose temperature is so large that their probabilities say little.

    That is one at the bound of its search, or one that makes a model that was too sure of held-out
    rows much less sure of them than it is right.

    Parameters
    ----------
    chosen : dict of str to Candidate
        By a model's name, how it was trained.
    noun : str
        What a class is called.
    """
    sentences = []
    for title, candidate in chosen.items():
        raw, found = candidate.raw, candidate.estimate
        if raw is None or found is None:
            continue
        before, after = (float(each.confidence.mean()) for each in (raw, found))
        at_bound = candidate.temperature > _AT_BOUND * MOST
        unsure = after < min(found.interval.low, found.accuracy - _UNSURE)
        if at_bound or (before > found.accuracy and unsure):
            bound = ", the bound of its search" if at_bound else ""
            sentences.append(
                f"The probabilities of {title} say little: its temperature is"
                f" {candidate.temperature:.0f}{bound}. Of held-out rows it labels"
                f" {_percent(found.accuracy)} rightly, with a mean probability of"
                f" {_percent(before)} before temperature scaling and {_percent(after)} after it."
                " Rows that it labels wrongly and was sure of make the temperature large: is their"
                f" {noun} right?"
            )
    return sentences


def exchanged_classes(
    evaluations: Mapping[str, Evaluation], names: Sequence[str], files: Sequence[str]
) -> list[str]:
    """Two classes, most rows of each of which a model labels as the other.

    In a few rows of few classes lot may do that: of blocks of their rows, so many must be labelled
    crosswise that labels by lot would seldom do it.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        By a model's name, it on the test rows.
    names : sequence of str
        Of each class.
    files : sequence of str
        Of each test recording.
    """
    sentences = []
    for place, file in enumerate(files):
        by_pair: dict[tuple[int, int], list[str]] = {}
        for title, evaluation in evaluations.items():
            found = evaluation.of_recording(place)
            counts = found.confusion()
            rows = counts.sum(axis=1)
            for one, other in _exchanged(found):
                by_pair.setdefault((one, other), []).append(
                    f"{title} labels {counts[one, other]} of {rows[one]} rows of {names[one]} as"
                    f" {names[other]}, and {counts[other, one]} of {rows[other]} of"
                    f" {names[other]} as {names[one]}"
                )
        sentences += [
            f"{names[one]} and {names[other]} look exchanged in {file}: {'; '.join(told)}. Are"
            " their labels the wrong way round there?"
            for (one, other), told in sorted(by_pair.items())
        ]
    return sentences


def no_better_than_guessing(
    evaluations: Mapping[str, Evaluation], names: Sequence[str]
) -> list[str]:
    """Models whose accuracy is not shown to be above that of guessing the commonest class.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        By a model's name, it on the test rows.
    names : sequence of str
        Of each class.
    """
    return [
        f"{title} is no better than guessing: {found.accuracy:.3f} right (95 % interval"
        f" {found.interval.low:.3f} to {found.interval.high:.3f}), and always saying"
        f" {names[found.commonest_class]} would be {found.commonest:.3f} right. Its balanced"
        f" accuracy is {found.balanced_accuracy:.3f}, that of guessing"
        f" {1 / len(np.unique(found.truth)):.3f}."
        for title, found in evaluations.items()
        if not found.beats_guessing
    ]


def no_better_by_recording(
    evaluations: Mapping[str, Evaluation], names: Sequence[str], files: Sequence[str]
) -> list[str]:
    """Test recordings on which a model is no better than guessing, though it is on all together.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        By a model's name, it on the test rows.
    names : sequence of str
        Of each class.
    files : sequence of str
        Name of each test recording.
    """
    sentences = []
    for title, together in evaluations.items():
        if len(files) == 1 or not together.beats_guessing:
            continue
        found = [together.of_recording(place) for place in range(len(files))]
        worse = [
            f"{file} ({of.accuracy:.3f} right, always saying {names[of.commonest_class]}"
            f" {of.commonest:.3f})"
            for file, of in zip(files, found, strict=True)
            if not of.beats_guessing
        ]
        if worse:
            sentences.append(f"{title} is no better than guessing on {listed(worse)}.")
    return sentences


def clock_tells(clock: Told, labels: Labels) -> list[str]:
    """That much of the accuracy may be when a row was recorded, where a clock knows its class.

    Parameters
    ----------
    clock : Told
        What elapsed time alone tells of the test.
    labels : Labels
        The schema's.
    """
    if not clock.is_well_above_chance:
        return []
    found, noun, nouns = clock.evaluation, labels.noun, labels.plural
    near = ""
    if clock.within is not None:
        near = (
            f", and comes within {WITHIN} {nouns} of it for {_percent(clock.within.share)}"
            f" ({_percent(clock.within.by_chance)} by chance)"
        )
    return [
        f"The time of recording tells much of the {noun}. A clock that reads nothing but elapsed"
        f" time from the features names the {noun} of {_percent(found.accuracy)} of the test rows"
        f" ({_percent(found.commonest)} by guessing){near}. How much of the models' accuracy is the"
        f" {noun} and how much the time, recordings of one {noun} after the other cannot tell."
        f" Record the {nouns} interleaved at random, in another order in each session."
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _exchanged(found: Evaluation) -> Iterator[tuple[int, int]]:
    counts = found.confusion()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    lot = 1 / np.count_nonzero(counts.sum(axis=0) + counts.sum(axis=1))
    for one, other in np.argwhere(np.triu((share > 0.5) & (share.T > 0.5), 1)).tolist():
        rows = np.isin(found.truth, (one, other))
        truth = found.truth[rows]
        crosswise = found.labels[rows] == one + other - truth
        units = blocks(found.places[rows]).of_rows
        sums, sizes = np.bincount(units, crosswise), np.bincount(units)
        if binom.sf((sums > sizes / 2).sum() - 1, len(sizes), lot) < _BY_LOT:
            yield one, other
