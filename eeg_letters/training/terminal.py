"""Terminal output of training: progress bars and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from eeg_letters.labels import listed
from eeg_letters.recordings.recording import Recording
from eeg_letters.recordings.sources import display_name
from eeg_letters.training.dataset import Dataset

if TYPE_CHECKING:
    from eeg_letters.training.choosing import Count
    from eeg_letters.training.evaluation import Evaluation
    from eeg_letters.training.finishing import Progress as OnEpoch
    from eeg_letters.training.finishing import TrainedModel
    from eeg_letters.training.judging import Judgement


@contextmanager
def fitting(console: Console) -> Iterator[OnEpoch]:
    """Show the model, the epoch and the loss during the fits."""
    with _progress(console, "Fitting") as update:
        yield lambda what, epoch, loss: update(
            description=f"{what}: epoch {epoch}, loss {loss:.4f}"
        )


@contextmanager
def counting(console: Console, what: str) -> Iterator[Count]:
    """Show how many of some fits are done."""
    with _progress(console, what, BarColumn(), MofNCompleteColumn()) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def _progress(
    console: Console, description: str, *columns: ProgressColumn
) -> Iterator[Callable[..., None]]:
    # A line that goes when the block ends; nothing where there is no terminal.
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as display:
        yield partial(display.update, display.add_task(description, total=None))


def recordings_used(training: Dataset, test: Dataset) -> Text:
    """File, rows and classes of each recording, the features, and the columns without a use."""
    schema = training.schema
    told = []
    for did, dataset in (("Trained", training), ("Tested", test)):
        for place, recording in enumerate(dataset.recordings):
            done = "Adapted" if place >= len(dataset.earlier) else did
            n_classes, labels = np.unique(recording.labels).size, schema.labels
            classes = f"{n_classes} {labels.noun if n_classes == 1 else labels.plural}"
            told.append(f"{done} on {recording.path}: {len(recording)} rows of {classes}")
    told.append(f"Features: {schema.features.describe()}")
    told += [
        f"Unused columns of {recording.path}: {listed(recording.unused)}"
        for dataset in (training, test)
        for recording in dataset.recordings
        if recording.unused
    ]
    return Text("\n".join(told))


def how_read(*datasets: Dataset) -> Text:
    """What was found out of how each recording is written."""
    return Text(
        "\n".join(
            f"Read {recording.path}: {'; '.join(recording.notes) or 'as usual'}"
            for dataset in datasets
            for recording in dataset.recordings
        )
    )


def test_table(judgement: Judgement) -> Table:
    """Accuracy and what goes with it, of both models and what they are measured against."""
    noun, test = judgement.training.schema.labels.noun, judgement.test
    name_file = _namer(judgement)
    table = Table(
        caption=f"Clock: by nothing but elapsed time. Guessing: always the commonest {noun}.\n"
        "Interval: of 95 %. Calibration error: how far off probabilities are.",
        caption_justify="left",
    )
    table.add_column("Test")
    for heading in ("Accuracy", "Interval", "Balanced", "Macro F1", "Calibration\nerror"):
        table.add_column(heading, justify="right")
    parts: list[int | None] = [None]
    if len(test.recordings) > 1:
        parts = [*range(len(test.recordings)), None]
    for part in parts:
        if len(parts) > 1:
            name = "All together" if part is None else name_file(test.recordings[part])
            table.add_section()
            table.add_row(Text(name), style="bold")
        found = {model.model.title: model.test for model in judgement.trained}
        found["Clock"] = judgement.clock.evaluation
        for title, evaluation in found.items():
            of = evaluation if part is None else evaluation.of_recording(part)
            error = f"{of.calibration().error:.4f}" if title != "Clock" else "–"
            interval = f"{of.interval.low:.2f} to {of.interval.high:.2f}"
            table.add_row(title, f"{of.accuracy:.4f}", interval, *_class_means(of), error)
        guessing = judgement.guessing(part)
        table.add_row("Guessing", f"{guessing.accuracy:.4f}", "–", *_class_means(guessing), "–")
    return table


def _class_means(evaluation: Evaluation) -> tuple[str, str]:
    return f"{evaluation.balanced_accuracy:.4f}", f"{evaluation.macro_f1:.4f}"


def training_table(trained: Sequence[TrainedModel], training: Dataset, weight: int) -> Table:
    """How each model was trained, what the estimate was, and what could not be fitted."""
    noun = training.schema.labels.noun
    caption = [
        "Estimate: each recording"
        f"{' but those of a note below' if trained[0].plan.kept else ''} is held out once, and"
        " labelled by models of the others."
        if trained[0].by_recording
        else f"Estimate: first half of each {noun}'s rows predicts the second half."
    ]
    if (estimate := trained[0].estimate) is not None:
        caption[0] += f" Guessing: {estimate.commonest:.4f}."
    if training.n_adapting:
        times = "as others do" if weight == 1 else f"{weight}-fold"
        how = "as many of what is held out are" if trained[0].by_recording else "they are not"
        caption.append(
            f"Rows of the session to come count {times}; in the estimate {how} fitted to."
        )
    caption += [
        f"Dropped: {model.model.title} with {recipe}: {reason}"
        for model in trained
        for recipe, reason in model.dropped.items()
    ]
    caption += [model.unsettled for model in trained if model.unsettled]
    table = Table(caption=Text("\n".join(caption)), caption_justify="left")
    table.add_column("Training")
    table.add_column("Preprocessing")
    for heading in ("Fit", "Estimate", "Interval"):
        table.add_column(heading, justify="right")
    for model in trained:
        estimate = model.estimate
        table.add_row(
            model.model.title,
            str(model.chosen.recipe),
            f"{model.fit_seconds:.2f} s",
            "–" if estimate is None else f"{estimate.accuracy:.4f}",
            "–"
            if estimate is None
            else f"{estimate.interval.low:.2f} to {estimate.interval.high:.2f}",
        )
    return table


def notes(judgement: Judgement) -> list[Text]:
    """What has to be told of recordings and figures, a paragraph a note."""
    names = judgement.training.schema.labels.names
    told = [
        *judgement.headlines(names),
        *judgement.cautions(names, _namer(judgement)),
    ]
    return [Text(f"Note: {sentence}") for sentence in told]


def _namer(judgement: Judgement) -> Callable[[Recording], str]:
    # Names of files alone, where they tell the recordings apart.
    recordings = (*judgement.training.recordings, *judgement.test.recordings)
    if len({recording.path.name for recording in recordings}) == len(recordings):
        return lambda recording: display_name(recording.path.name)
    return lambda recording: display_name(str(recording.path))
