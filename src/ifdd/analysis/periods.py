"""The periods of a video that rows are made for: all of it, windows of equal length, or the events of a file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ifdd.errors import InputError
from ifdd.inference.results import Results
from ifdd.tables import Table, parse_seconds, read_table

ONSET, DURATION, NAME, VIDEO = "onset", "duration", "trial_type", "video"
"""Columns of an events file, as in BIDS; ``video`` is ours."""

MISSING = ("", "n/a")
"""Cells without a value, as in BIDS."""


MOST_PERIODS = 100_000
"""Most periods of a video."""


class Period(NamedTuple):
    """A part of a video, in seconds from its first frame."""

    start_seconds: float
    end_seconds: float
    name: str = ""


class Event(NamedTuple):
    """A line of an events file."""

    line: int
    start_seconds: float
    """In player time."""
    duration_seconds: float
    name: str
    video: str
    """Name of its video; "" for every video."""


@dataclass(frozen=True)
class Events:
    """An events file."""

    path: Path
    events: tuple[Event, ...]

    def of(self, results: Results) -> list[Period]:
        """Return the events of a video, cut at its end.

        Raises:
            InputError: an event begins after the end of the video, or ends before its first frame.
        """
        video = results.video
        periods = []
        for event in self.events:
            if event.video and not is_called(results, event.video):
                continue
            start = event.start_seconds - video.start_seconds
            end = start + event.duration_seconds
            if start >= video.duration_seconds or end <= 0:
                raise InputError(
                    f"{self.path}, line {event.line}: the event at {event.start_seconds:g} s lies outside {video.path} "
                    f"({video.start_seconds:g} to {video.end_seconds:g} s); correct the onset, or name its video in a "
                    f"column '{VIDEO}'"
                )
            periods.append(Period(max(start, 0.0), min(end, video.duration_seconds), event.name))
        return periods

    def check_videos(self, all_results: Sequence[Results]) -> None:
        """Check that every video that is named has results.

        Raises:
            InputError: one has none.
        """
        for event in self.events:
            if event.video and not any(is_called(results, event.video) for results in all_results):
                raise InputError(
                    f"{self.path}, line {event.line}: there are no results of the video {event.video!r}; recognize it, "
                    "or delete the line"
                )


def is_called(results: Results, name: str) -> bool:
    """Return whether a name means the video of some results: its path, its file name, or that without the ending."""
    path = Path(results.video.path)
    return name in (str(path), path.name, path.stem)


def windows_of(results: Results, seconds: float) -> list[Period]:
    """Return the parts of a video of a given length; the last one may be shorter.

    Raises:
        InputError: there are more than ``MOST_PERIODS``.
    """
    duration = results.video.duration_seconds
    if duration / seconds > MOST_PERIODS:
        raise InputError(
            f"--period-seconds is {seconds:g}: more than {MOST_PERIODS:,} periods in {duration:g} s of "
            f"{results.video.path}; choose at least {duration / MOST_PERIODS:.2g}"
        )
    count = max(1, math.ceil(duration / seconds - 1e-6))
    edges = [min(number * seconds, duration) for number in range(count + 1)]
    return [Period(start, end) for start, end in pairwise(edges)]


def read_events(path: Path) -> Events:
    """Read an events file: CSV or TSV with the columns onset and duration in seconds, optionally trial_type and video.

    Raises:
        InputError: the file cannot be read, lacks a column, or a number is not valid.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    table = read_table(data, str(path), (ONSET, DURATION, NAME, VIDEO))
    for name in (ONSET, DURATION):
        if name not in table.header:
            raise InputError(f"{path} has no column '{name}' ({table.form}); add it, in seconds")
    events = tuple(_event(path, table, line, cells) for line, cells in table.rows)
    if not events:
        raise InputError(f"{path} has no events; add one line for each")
    return Events(path, events)


def _event(path: Path, table: Table, line: int, cells: Sequence[str]) -> Event:
    row = dict(zip(table.header, cells, strict=False))
    onset, duration = (
        parse_seconds(row.get(name, "").strip(), f"{path}, line {line}", f"the {name}") for name in (ONSET, DURATION)
    )
    if duration <= 0:
        raise InputError(f"{path}, line {line}: the duration is {duration:g}; it must be above 0 seconds")
    return Event(line, onset, duration, _text(row, NAME), _text(row, VIDEO))


def _text(row: Mapping[str, str], name: str) -> str:
    text = row.get(name, "").strip()
    return "" if text in MISSING else text
