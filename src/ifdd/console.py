"""Terminal output: one console for results, one for all other output, and progress bars."""

import sys
from typing import Any

from rich.console import Console
from rich.errors import MarkupError
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
from rich.table import Column
from rich.text import Text

from ifdd.names import counted, printable


class SafeConsole(Console):
    """A console that escapes what would garble the terminal, wherever it stands in a line or a table.

    Names of files and classes may hold control characters, and characters that the terminal's encoding lacks.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string to rich's text, as every string that is printed."""
        shown = printable(text, lines=True).encode(self.encoding, "backslashreplace").decode(self.encoding)
        try:
            return super().render_str(shown, **options)
        except MarkupError:  # a name such as [/b]
            return super().render_str(shown, **(options | {"markup": False}))


console = SafeConsole()
"""Results go to standard output."""

error_console = SafeConsole(stderr=True)
"""Progress, notices and errors go to standard error, so that results can be piped."""

USUAL_WIDTH = 80
"""Width of an ordinary terminal in columns."""


class SpeedColumn(ProgressColumn):
    """A column with the speed in items per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Render the speed of one task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self.unit}/s", style="progress.data.speed")


def progress_bar(unit: str) -> Progress:
    """Return a progress bar that shows count, speed in ``unit`` per second, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        SpeedColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=error_console,
        redirect_stdout=sys.stdout.isatty(),  # piped results stay in the pipe while a bar is shown
    )


class _VideoColumn(ProgressColumn):
    """A column for two kinds of tasks: videos, counted in seconds and with a field ``faces``, and other counts."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Render one task of either kind."""
        return Text(self.of_video(task) if "faces" in task.fields else self.of_count(task), style="progress.data.speed")

    def of_video(self, task: Task) -> str:
        raise NotImplementedError

    def of_count(self, task: Task) -> str:
        return ""


class _Done(_VideoColumn):
    def of_video(self, task: Task) -> str:
        done = _clock(task.completed)
        return done if task.total is None else f"{done}/{_clock(task.total)}"

    def of_count(self, task: Task) -> str:
        return f"{task.completed:.0f}/{task.total:.0f}"


class _Pace(_VideoColumn):
    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    def of_video(self, task: Task) -> str:
        speed = task.finished_speed or task.speed
        return "" if speed is None else f"{speed:.1f}x{self.words}"


class _Faces(_VideoColumn):
    def of_video(self, task: Task) -> str:
        return counted(task.fields["faces"], "face")


class _Left(_VideoColumn):
    def of_video(self, task: Task) -> str:
        return "" if task.time_remaining is None else f"{_clock(task.time_remaining)} left"

    of_count = of_video


def video_bar() -> Progress:
    """Return a progress bar for videos and for the number of finished videos, 50 to 200 columns wide.

    A task with a field ``faces`` is a video: it shows processed and total video time, the speed as a multiple of real
    time, the number of faces in view and the remaining time. Any other task is a count.
    """
    room = error_console.width - USUAL_WIDTH
    longest = min(80, 20 + room * 2 // 3) if room >= 0 else max(7, error_console.width - 43)  # 43: times and faces
    name = Column(no_wrap=True, overflow="ellipsis", max_width=longest)
    return Progress(
        TextColumn("{task.description}", table_column=name),
        *([BarColumn(bar_width=min(52, 12 + room // 3))] if room >= 0 else []),  # narrow terminals: only the name
        _Done(),
        _Pace(" real time" if room >= 0 else ""),
        _Faces(),
        _Left(),
        console=error_console,
        redirect_stdout=sys.stdout.isatty(),
        refresh_per_second=4,  # drawing takes time from decoding
    )


def _clock(seconds: int | float) -> str:
    """Return a duration as ``minutes:seconds`` or ``hours:minutes:seconds``, such as ``2:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
