"""What a person sees in the terminal: one console, one style of progress bar."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

console = Console()
"""Results go to standard output."""

error_console = Console(stderr=True)
"""Progress, notices and errors go to standard error, so that results can be piped."""


class SpeedColumn(ProgressColumn):
    """Items a second, in the unit of the bar."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Render the speed of one task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self.unit}/s", style="progress.data.speed")


def progress_bar(unit: str) -> Progress:
    """Return a progress bar that shows count, speed in ``unit`` per second, time passed and time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        SpeedColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=error_console,
        redirect_stdout=sys.stdout.isatty(),  # results that are piped stay in the pipe while a bar is shown
    )
