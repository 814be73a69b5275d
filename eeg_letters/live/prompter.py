"""What a person sees while a recording is made by cue."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from eeg_letters.live.large import large
from eeg_letters.live.taking import Plan

_RESTING = "+"


class Prompter:
    """The class that is to be thought of, drawn anew by `rich.live.Live`."""

    def __init__(self, plan: Plan) -> None:
        self._classes = len(plan.order[0])
        self._rounds = len(plan.order)
        self._number = 0
        self._rows = 0
        self._shown: str | None = None

    def wait(self) -> None:
        """Tell that no row has come yet."""
        self._shown = None

    def rest(self, number: int, rows: int) -> None:
        """Show a cross for the eyes, before a cue."""
        self._number, self._rows = number, rows
        self._shown = _RESTING

    def show(self, name: str) -> None:
        """Show a class."""
        self._shown = name

    def __rich__(self) -> RenderableType:
        if self._shown is None:
            return Text("waiting for the first row")
        shown_round, cue = divmod(self._number, self._classes)
        return Group(
            Text(),
            large(self._shown, "dim" if self._shown == _RESTING else "bold"),
            Text(),
            Text(
                f"round {shown_round + 1} of {self._rounds}, cue {cue + 1} of {self._classes};"
                f" {self._rows} rows",
                "dim",
                justify="center",
            ),
        )
