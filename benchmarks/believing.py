"""What can be believed of the models of two sessions, and what helps with a third.

Run it from the repository root: ``python -m benchmarks.believing TRAIN TEST``. It takes two
recordings of the same band powers and letters, in which each letter was recorded once; the figures
in docs/decisions/0023-numbers-that-can-be-believed.md are its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import wilcoxon
from threadpoolctl import threadpool_limits

from eeg_letters.models import LDA, MODELS
from eeg_letters.recordings.any_format import read_any
from eeg_letters.recordings.recording import Recording
from eeg_letters.settings import DATA
from eeg_letters.training.dataset import Dataset
from eeg_letters.training.evaluation import compare, nearby_mistakes, recorded_order
from eeg_letters.training.familiarity import fit_familiarity
from eeg_letters.training.finishing import TrainedModel, train
from eeg_letters.training.fitting import fit_scorer
from eeg_letters.training.holding_out import everything
from eeg_letters.training.judging import judge
from eeg_letters.training.recipes import AUTO, Recipe
from eeg_letters.training.report.strangeness import strangeness

# Rows of each class that are scored in the trial of adapting are those from here on.
_LATE = 25
_VOLTS = 1e-12
_FEW = 7
# Rows whose distances are averaged.
_TOGETHER = 50

Figure = tuple[str, str]


def main() -> None:
    """Print a table of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    arguments = parser.parse_args()
    first = read_any(arguments.train)
    training, test = Dataset((first,)), Dataset((read_any(arguments.test, first.schema),))
    table = Table("What", "Figure")
    with threadpool_limits(1):
        trained = [train(model, training, test, AUTO, lambda *_: None) for model in MODELS]
        parts = (
            of_figures(trained, training, test),
            of_shrinkage(training, test),
            of_adapting(training, test),
            of_units(trained, training, test),
            of_distances(training, test),
            of_another_cap(test),
        )
        for part in track(parts, "Trials", transient=True):
            for figure in part:
                table.add_row(*figure)
            table.add_section()
    Console(width=110).print(table)


def of_figures(trained: list[TrainedModel], training: Dataset, test: Dataset) -> Iterator[Figure]:
    """Accuracies, intervals and the comparison, and the clock."""
    judgement = judge(trained, training, test)
    order = recorded_order(training.labels)
    for model in trained:
        of, title = model.test, model.model.title
        yield f"{title}, {model.chosen.recipe}: accuracy", f"{of.accuracy:.4f}"
        if model.estimate:
            yield "estimate by halves of each letter", f"{model.estimate.accuracy:.4f}"
        yield "balanced accuracy, macro F1", f"{of.balanced_accuracy:.4f}, {of.macro_f1:.4f}"
        yield "interval by blocks", f"{of.by_blocks.low:.2f} to {of.by_blocks.high:.2f}"
        if of.by_classes:
            yield "interval by letters", f"{of.by_classes.low:.2f} to {of.by_classes.high:.2f}"
        wrong = np.sort(np.bincount(of.truth, ~of.right))[::-1]
        yield "mistakes in the five worst letters", f"{wrong[:5].sum() / wrong.sum():.0%}"
        if nearby := nearby_mistakes(of, order):
            told = f"{nearby.share:.0%} ({nearby.by_chance:.0%} by chance)"
            yield "mistakes that are the letter before or after", told
    agreement = compare(trained[0].test, trained[1].test)
    yield "both are equally good, exchanging blocks", f"p = {agreement.p_blocks:.4f}"
    yield "the same, exchanging letters", f"p = {agreement.p_classes or 1:.3f}"
    by_letter = [np.bincount(model.test.truth, model.test.right)[test.classes] for model in trained]
    yield "the same, Wilcoxon's test over letters", f"p = {wilcoxon(*by_letter).pvalue:.3f}"
    clock = judgement.clock
    told = f"{clock.evaluation.accuracy:.0%} ({clock.evaluation.commonest:.0%} by guessing)"
    yield "the clock names the letter", told
    if clock.within:
        told = f"{clock.within.share:.0%} ({clock.within.by_chance:.0%} by chance)"
        yield "the clock is at most three letters off", told
    for caution in judgement.cautions(training.schema.labels.names, lambda one: one.path.name):
        yield "told", caution


def of_shrinkage(training: Dataset, test: Dataset) -> Iterator[Figure]:
    """Discriminant analysis with and without shrinkage, of few rows and of all."""
    for most in (_FEW, None):
        rows = np.arange(len(training))
        if most is not None:
            rows = np.flatnonzero(training.first_rows(most))
        accuracies = [
            _accuracy(Recipe("log1p", shrinkage), training, rows, test)
            for shrinkage in (False, True)
        ]
        what = "all rows" if most is None else f"{most} rows a letter"
        told = f"{accuracies[0]:.4f} without, {accuracies[1]:.4f} with"
        yield f"shrinkage, LDA of {what}", told


def of_adapting(training: Dataset, test: Dataset) -> Iterator[Figure]:
    """Discriminant analysis with a few labelled rows of the test session, on its late rows."""
    (recording,) = test.recordings
    late = Dataset((_some(recording, ~test.first_rows(_LATE)),))
    weights = (1, 3, 10, 30)
    for rows in (0, 5, 10):
        dataset = training
        if rows:
            some = _some(recording, test.first_rows(rows))
            dataset = Dataset((*training.recordings, some), 1)
        told = [
            f"{_accuracy(Recipe('log1p'), dataset, everything(dataset, weight), late):.3f}"
            + (f" at weight {weight}" if rows else "")
            for weight in (weights if rows else weights[:1])
        ]
        yield f"LDA adapted by {rows} rows a letter, rows {_LATE} on", ", ".join(told)


def of_units(trained: list[TrainedModel], training: Dataset, test: Dataset) -> Iterator[Figure]:
    """The same recordings in V²."""
    in_volts, test_in_volts = (
        Dataset((replace(each.recordings[0], features=_VOLTS * each.features),))
        for each in (training, test)
    )
    for model in trained:
        again = train(model.model, in_volts, test_in_volts, AUTO, lambda *_: None)
        told = f"{model.test.accuracy:.4f} and {again.test.accuracy:.4f}"
        yield f"{model.model.title} in µV² and in V²", told


def of_distances(training: Dataset, test: Dataset) -> Iterator[Figure]:
    """How far the rows of the other session are from the classes."""
    familiarity = fit_familiarity(training)
    if familiarity is None:
        return
    found = strangeness(familiarity, training, test)
    told = (
        f"{found.beyond(found.held_out):.1%} held out, {found.beyond(found.test):.1%} of the test"
    )
    yield "rows beyond the limit", told
    yield "further than a held-out row (ROC AUC)", f"{found.apart(found.test):.2f}"
    together = replace(
        found, held_out=_means(found.held_out), by_recording=((test.recordings[0], found.test),)
    )
    told = f"{together.apart(_means(found.test)):.2f}"
    yield f"the same, means of {_TOGETHER} rows", told


def of_another_cap(test: Dataset) -> Iterator[Figure]:
    """The models of the shipped, simulated recording on the real one."""
    shipped = Dataset((read_any(DATA / "train.csv"),))
    names = list(test.schema.features.names)
    order = [names.index(name) for name in shipped.schema.features.names]
    rows = test.features[:, order]
    scorer = fit_scorer(LDA, Recipe("log1p"), shipped, np.arange(len(shipped)))
    familiarity = fit_familiarity(shipped)
    yield "LDA of the shipped recording", f"{(scorer.predict(rows) == test.labels).mean():.1%}"
    if familiarity is not None:
        yield "its rows beyond the limit", f"{1 - familiarity.are_familiar(rows).mean():.1%}"


def _accuracy(recipe: Recipe, training: Dataset, rows: NDArray[np.int64], test: Dataset) -> float:
    scorer = fit_scorer(LDA, recipe, training, rows)
    return float((scorer.predict(test.features) == test.labels).mean())


def _some(recording: Recording, rows: NDArray[np.bool_]) -> Recording:
    return replace(
        recording, features=recording.features[rows], labels=recording.labels[rows], rows={}
    )


def _means(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = len(distances) // _TOGETHER * _TOGETHER
    means: NDArray[np.float64] = distances[:whole].reshape(-1, _TOGETHER).mean(axis=1)
    return means


if __name__ == "__main__":
    main()
