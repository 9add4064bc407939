"""When the frames of a clip are shown: the one convention of time from a file to a window of recognition.

1. ``ifdd prepare`` takes the times of frames from the video file. Folders of images have none: their rate is stated (a
   column ``fps``, ``--fps``, SynthDFER's settings) or assumed to be ``ASSUMED_FPS``, which is reported.
2. The manifest has two columns. ``fps`` is the mean number of frames a second. ``durations`` is empty if the frames are
   evenly spaced; otherwise it says how long each frame is shown, in milliseconds. Frames that face crops leave out
   take their time with them.
3. Training and tests look at a clip through a clock of ``fps`` ticks a second, whose rate is the recipe's ``data.fps``
   or, by default, the median rate of the manifest. ``stride`` counts ticks. A clip whose evenly spaced frames have the
   rate of the clock is sampled by the index of the frame, exactly as published; any other shows, at each tick, the
   frame that a player would show in the middle of it. See ``sampling.clip_positions``.
4. The checkpoint says how long a clip is, ``clip_seconds``, and at which rate it counts the stride, ``record.timing``.
   ``ifdd evaluate`` looks at clips through the same clock, and the windows of ``ifdd recognize`` are ``clip_seconds``
   long.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import median_low
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ifdd.errors import InputError

ASSUMED_FPS = 25.0
"""Frames a second of clips whose rate is not known."""

MOST_FRAMES = 10_000_000
"""More frames than any clip has: what a damaged table may claim."""

SAME_RATE = 0.01
"""Rates that differ by at most this share are the same: 29.97 and 30, but not 24 and 25."""

_EVEN = 0.25
"""Frames are evenly spaced if none is further from its place than this share of the interval between two."""

_RUN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(?:\*([0-9]{1,9}))?")


class Timing(NamedTuple):
    """When the frames of a clip are shown."""

    fps: float
    """Frames a second on average."""
    durations: str = ""
    """Time that each frame is shown, as in the manifest; empty if the frames are evenly spaced."""


def timing_of(seconds: Sequence[float], kept: Sequence[int] | None = None, end: float | None = None) -> Timing:
    """Return the timing of a clip.

    Args:
        seconds: start of every frame of the source; at least one, never decreasing.
        kept: positions of the frames that the clip has, in order; all when None.
        end: end of the last frame of the source; when None, it is shown as long as most frames.

    Example:
        >>> from ifdd.data.timing import timing_of
        >>> timing_of([0.0, 0.04, 0.08, 0.12])
        Timing(fps=25.0, durations='')
        >>> timing_of([0.0, 0.04, 0.08, 0.5, 0.54]).durations
        '40*2 420 40*2'
    """
    intervals = np.diff(np.asarray(seconds, np.float64))
    usual = float(np.median(intervals)) if len(intervals) else 0.0
    last = (usual if usual > 0 else 1 / ASSUMED_FPS) if end is None else end - seconds[-1]
    shown = np.append(intervals, last)
    if kept is not None:
        shown = shown[list(kept)]
    total = float(shown.sum()) or len(shown) / ASSUMED_FPS
    interval = total / len(shown)
    starts = np.concatenate([[0.0], np.cumsum(shown)[:-1]])
    fps = tidy_rate(1 / interval)
    if np.abs(starts - interval * np.arange(len(shown))).max() <= _EVEN * interval:
        return Timing(fps)
    return Timing(fps, durations_text(shown))


def tidy_rate(rate: float) -> float:
    """Return a rate measured from rounded time stamps as the usual one that it is, such as 30000 / 1001."""
    whole = round(rate)
    usual = min((float(whole), whole * 1000 / 1001), key=lambda each: abs(each - rate))
    return round(usual if whole and abs(usual - rate) <= 5e-4 * rate else rate, 4)


def durations_text(seconds: Iterable[float]) -> str:
    """Return durations in milliseconds as in the manifest; equal ones that follow one another are counted."""
    runs: list[tuple[str, int]] = []
    for each in seconds:
        text = f"{1000 * each:.3f}".rstrip("0").rstrip(".")
        runs[-1:] = [(text, runs[-1][1] + 1)] if runs and runs[-1][0] == text else [*runs[-1:], (text, 1)]
    return " ".join(text if count == 1 else f"{text}*{count}" for text, count in runs)


@lru_cache(maxsize=4096)
def parse_durations(text: str) -> tuple[float, ...]:
    """Return the durations of frames in seconds from the manifest's text.

    Raises:
        InputError: the text has another format, or all durations are 0.

    Example:
        >>> from ifdd.data.timing import parse_durations
        >>> parse_durations("40*2 420")
        (0.04, 0.04, 0.42)
    """
    found: list[float] = []
    for part in text.split():
        match = _RUN.fullmatch(part)
        if match is None:
            raise InputError(f"durations are {text[:60]!r}; write milliseconds, such as '40*12 80 40*3'")
        count = int(match[2] or 1)
        if len(found) + count > MOST_FRAMES:
            raise InputError(f"durations are those of more than {MOST_FRAMES:,} frames; prepare the dataset again")
        found += [float(match[1]) / 1000] * count
    if text.strip() and not sum(found):
        raise InputError("all durations are 0; remove them, or correct the time stamps of the clip")
    return tuple(found)


@lru_cache(maxsize=4096)
def frame_ends(text: str) -> Float[np.ndarray, " frames"]:
    """Return the end of each frame in seconds from the start of the clip, for the manifest's durations."""
    return np.cumsum(parse_durations(text))


def clock_rate(rates: Iterable[float | None], stated: float | None = None) -> float:
    """Return the rate of the clock through which clips are looked at.

    Args:
        rates: of all clips; None where it is not known.
        stated: the recipe's, which counts if it is given.

    Example:
        >>> from ifdd.data.timing import clock_rate
        >>> clock_rate([24.0, 30.0, 60.0, None]), clock_rate([None]), clock_rate([60.0], stated=25.0)
        (30.0, 25.0, 25.0)
    """
    known = sorted(rate for rate in rates if rate is not None)
    return stated or (median_low(known) if known else ASSUMED_FPS)


def same_rate(one: float, other: float) -> bool:
    """Whether two rates are the same but for rounding."""
    return abs(one - other) <= SAME_RATE * other
