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

    @property
    def place(self) -> str:
        """Which cue of how many is shown."""
        shown_round, cue = divmod(self._number, self._classes)
        return f"round {shown_round + 1} of {self._rounds}, cue {cue + 1} of {self._classes}"

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
        return Group(
            Text(),
            large(self._shown, "dim" if self._shown == _RESTING else "bold"),
            Text(),
            Text(f"{self.place}; {self._rows} rows", "dim", justify="center"),
        )


class PrintedPrompter(Prompter):
    """A line for each class that is to be thought of, where there is no terminal to draw on."""

    def rest(self, number: int, rows: int) -> None:
        """Print the cross."""
        super().rest(number, rows)
        print(_RESTING, flush=True)

    def show(self, name: str) -> None:
        """Print a class, and which cue it is."""
        super().show(name)
        print(f"{name}  {self.place}", flush=True)
