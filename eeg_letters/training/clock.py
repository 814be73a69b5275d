"""The clock: how well elapsed time alone, as the features tell it, names a row's class.

Where classes are recorded one after the other, in the same order in each session, when a row was
recorded tells its class. What a model then knows may be the time. The clock is a baseline that
cannot know more: the rows teach it nothing but their place in the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from eeg_letters.scoring.scorer import Floats, log1p_of
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import Evaluation, recorded_order
from eeg_letters.training.holding_out import Fold, make_plan
from eeg_letters.training.pipelines import find_factor
from eeg_letters.training.resampling import Interval, widest_interval

# Classes before and after that count as about the right time.
WITHIN = 3
# Where no rows can be held out.
_PENALTY = 1.0
_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
# Farther from the mean, in standard deviations, a feature tells no more.
_FARTHEST = 1e3
# In place of a class, after the last row of a recording.
_ENDED = -1


@dataclass(frozen=True)
class Within:
    """Of the rows of classes that were recorded for training, those told about the right time.

    Attributes
    ----------
    share : float
        Share of them whose label is at most `WITHIN` classes from theirs in the order of recording.
    interval : Interval
        Of the share.
    by_chance : float
        The same if labels were drawn by lot.
    """

    share: float
    interval: Interval
    by_chance: float


@dataclass(frozen=True)
class Told:
    """What the clock tells of the rows of a test.

    Attributes
    ----------
    evaluation : Evaluation
        The class that was recorded at the time that it tells, with probability 1.
    within : Within or None
        None where the first training recording has a class in more than one run, or so few classes
        that all are near, or the test has none of them.
    """

    evaluation: Evaluation
    within: Within | None

    @property
    def is_well_above_chance(self) -> bool:
        """Whether time tells much of the class, by the label itself or by the classes near it.

        That needs a whole interval above chance, which always guessing the commonest class is for
        the label, and half as many mistakes as by chance or twice as many rows right. Twice as many
        alone would never be said of two classes, and half the mistakes never of 26, where a clock
        that is three classes off is still one.
        """
        found, within = self.evaluation, self.within
        by_label = found.beats_guessing and _much_more(found.accuracy, found.commonest)
        return by_label or (
            within is not None
            and within.interval.low > within.by_chance
            and _much_more(within.share, within.by_chance)
        )


@dataclass(frozen=True)
class Clock:
    """Elapsed time by the features, and the class that was recorded then.

    Attributes
    ----------
    training : Dataset
        What it was wound by.
    scale : callable
        From features to what the ridge takes.
    ridge : sklearn.linear_model.Ridge
        From that to elapsed time: the part of a recording's length in `lengths`.
    lengths : ndarray of int64, shape (n_recordings,)
        Rows that elapsed time is measured in, of each training recording: its own, or for all the
        longest one's, where rows since the start tell more than the share of a recording.
    """

    training: Dataset
    scale: Callable[[Floats], Floats]
    ridge: Ridge
    lengths: NDArray[np.int64]

    def tell(self, test: Dataset) -> Told:
        """Label rows by the time that their features tell.

        The label is the class that most training recordings had at that time, among equals that of
        the first such recording; one that had ended by then has no say. `test` may have classes
        that the training lacks.
        """
        elapsed = np.clip(self.ridge.predict(self.scale(test.features)), 0, 1)
        had = np.column_stack(
            [
                _class_at(elapsed, recording.labels, length)
                for recording, length in zip(
                    self.training.recordings, self.lengths.tolist(), strict=True
                )
            ]
        )
        votes = np.zeros_like(had)
        for one in had.T:
            votes += (had == one[:, np.newaxis]) & (had != _ENDED)
        labels = had[np.arange(len(had)), votes.argmax(axis=1)]
        probabilities = np.zeros((len(test), len(test.schema.labels.values)))
        probabilities[np.arange(len(labels)), labels] = 1
        evaluation = Evaluation(test.labels, probabilities, test.places)
        order = recorded_order(self.training.recordings[0].labels)
        return Told(evaluation, _within(evaluation, order))


def wind(training: Dataset) -> Clock:
    """Make a clock: a ridge regression of elapsed time on the features.

    Band powers enter as the logarithm of one plus their ratio to the median of all that are above
    0, other features standardised. The penalty is the one that tells held-out rows best, as
    `eeg_letters.training.holding_out.make_plan` holds them out; halves are held out both ways.
    Elapsed time is the share of a recording, or the rows since its start where the training
    recordings agree better then on the class of a time, as sessions that were stopped early do.

    Parameters
    ----------
    training : Dataset
        Passed by `eeg_letters.training.checks.check_trainable`.
    """
    scale = _find_scale(training)
    values = scale(training.features)
    own = np.bincount(training.places)
    lengths = max((own, np.full_like(own, own.max())), key=partial(_agreement, training))
    elapsed = _elapsed(training, lengths)
    # One thread: the sums depend on how many there are.
    with threadpool_limits(1):
        penalty = _choose_penalty(values, elapsed, _folds(training))
        return Clock(training, scale, Ridge(penalty).fit(values, elapsed), lengths)


def _find_scale(training: Dataset) -> Callable[[Floats], Floats]:
    features = training.features
    if training.schema.features.are_powers:
        return partial(log1p_of, factor=find_factor(features))
    # Within -1 and 1 first: squares of large numbers would be too large.
    largest = np.abs(features).max(axis=0)
    largest[largest == 0] = 1
    mean, deviation = (features / largest).mean(axis=0), (features / largest).std(axis=0)
    deviation[deviation == 0] = 1
    return partial(_standardised, largest, mean, deviation)


def _standardised(largest: Floats, mean: Floats, deviation: Floats, features: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.clip((features / largest - mean) / deviation, -_FARTHEST, _FARTHEST)


def _folds(training: Dataset) -> Sequence[Fold]:
    plan = make_plan(training, 1)
    if plan.by_recording:
        return plan.folds
    # The second halves also tell the first ones.
    return [*plan.folds, *(Fold(fold.held_out, fold.fitted) for fold in plan.folds)]


def _choose_penalty(values: Floats, elapsed: Floats, folds: Sequence[Fold]) -> float:
    if not folds:
        return _PENALTY
    errors = np.zeros(len(_PENALTIES))
    for fold in folds:
        fitted, held = fold.fitted, fold.held_out
        for place, penalty in enumerate(_PENALTIES):
            ridge = Ridge(penalty).fit(values[fitted], elapsed[fitted])
            errors[place] += ((ridge.predict(values[held]) - elapsed[held]) ** 2).sum()
    return _PENALTIES[int(errors.argmin())]


def _elapsed(training: Dataset, lengths: NDArray[np.int64]) -> Floats:
    rows = np.concatenate([np.arange(len(each.labels)) for each in training.recordings])
    elapsed: Floats = (rows + 0.5) / lengths[training.places]
    return elapsed


def _agreement(training: Dataset, lengths: NDArray[np.int64]) -> int:
    """How often a row's class is the one that another recording had at that time."""
    elapsed = _elapsed(training, lengths)
    agreeing = 0
    for place, (recording, length) in enumerate(
        zip(training.recordings, lengths.tolist(), strict=True)
    ):
        others = training.places != place
        had = _class_at(elapsed[others], recording.labels, length)
        agreeing += int((had == training.labels[others]).sum())
    return agreeing


def _class_at(elapsed: Floats, labels: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    rows = np.minimum((elapsed * length).astype(np.int64), length - 1)
    had: NDArray[np.int64] = np.append(labels, _ENDED)[np.minimum(rows, len(labels))]
    return had


def _within(evaluation: Evaluation, order: Sequence[int]) -> Within | None:
    position = np.full(evaluation.probabilities.shape[1], -1)
    position[list(order)] = np.arange(len(order))
    own = position[evaluation.truth]
    rows = own >= 0
    if len(order) <= 2 * WITHIN + 1 or not rows.any():
        return None
    own, told = own[rows], position[evaluation.labels[rows]]
    near = ((told >= 0) & (np.abs(own - told) <= WITHIN)).astype(np.int64)
    candidates = 1 + np.minimum(own, WITHIN) + np.minimum(len(order) - 1 - own, WITHIN)
    truth, places = evaluation.truth[rows], evaluation.places[rows]
    return Within(
        float(near.mean()),
        widest_interval(near, truth, places),
        float(candidates.mean() / len(order)),
    )


def _much_more(share: float, by_chance: float) -> bool:
    return share >= min(2 * by_chance, (1 + by_chance) / 2)
