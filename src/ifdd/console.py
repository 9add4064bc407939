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
from rich.table import Column
from rich.text import Text

console = Console()
"""Results go to standard output."""

error_console = Console(stderr=True)
"""Progress, notices and errors go to standard error, so that results can be piped."""


USUAL_WIDTH = 80
"""Columns of a usual terminal."""


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


class _VideoColumn(ProgressColumn):
    """What is told of a task that is a video (its unit is a second, ``faces`` one of its fields), and of a count."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Render a task of either kind."""
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
        count = task.fields["faces"]
        return f"{count} {'face' if count == 1 else 'faces'}"


class _Left(_VideoColumn):
    def of_video(self, task: Task) -> str:
        return "" if task.time_remaining is None else f"{_clock(task.time_remaining)} left"

    of_count = of_video


def video_bar() -> Progress:
    """Return a progress bar for videos that are read, and for their number; it fits 50 columns, and fills up to 200.

    A task with a field ``faces`` is a video: it shows the time done and the whole, its speed as a multiple of
    real time, the faces in sight and the time left. Any other task is a count.
    """
    room = error_console.width - USUAL_WIDTH
    longest = min(80, 20 + room * 2 // 3) if room >= 0 else max(7, error_console.width - 43)  # 43: times, faces
    name = Column(no_wrap=True, overflow="ellipsis", max_width=longest)
    return Progress(
        TextColumn("{task.description}", table_column=name),
        *([BarColumn(bar_width=min(52, 12 + room // 3))] if room >= 0 else []),  # in narrow ones the name counts more
        _Done(),
        _Pace(" real time" if room >= 0 else ""),
        _Faces(),
        _Left(),
        console=error_console,
        redirect_stdout=sys.stdout.isatty(),
        refresh_per_second=4,  # drawing takes time from reading
    )


def _clock(seconds: int | float) -> str:
    """Return minutes and seconds, such as ``2:05``, and hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
