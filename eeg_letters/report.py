"""What training tells the person at the terminal: progress while it fits, then a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from eeg_letters.training import Progress as OnEpoch
from eeg_letters.training import TrainedModel


@contextmanager
def fitting(console: Console) -> Iterator[OnEpoch]:
    """Show what is being fitted while it is, on a terminal; nothing elsewhere."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as display:
        task = display.add_task("Fitting")

        def on_epoch(what: str, epoch: int, loss: float) -> None:
            display.update(task, description=f"{what}: epoch {epoch}, loss {loss:.4f}")

        yield on_epoch


def accuracy_table(trained: Sequence[TrainedModel]) -> Table:
    """How well each model does, and on what."""
    caption = ["Estimate: first half of each letter's rows predicts the second half."]
    caption += [
        f"{model.model.title}: the loss had not settled after {model.pipeline[-1].max_iter} epochs."
        for model in trained
        if not model.converged
    ]
    table = Table(caption="\n".join(caption), caption_justify="left")
    table.add_column("Model")
    for heading in ("Rows", "Letters", "Fit", "Test accuracy", "Estimate"):
        table.add_column(heading, justify="right")
    for model in trained:
        blocked = model.blocked_accuracy
        table.add_row(
            model.model.title,
            str(model.n_rows),
            str(len(model.scorer.classes)),
            f"{model.fit_seconds:.2f} s",
            f"{model.test_accuracy:.4f}",
            "–" if blocked is None else f"{blocked:.4f}",
        )
    return table
