"""From windows to segments, as pure functions.

A window is the part of a track that makes one clip. Its frames are chosen by time, never by number, so the model sees
motion at the speed it was trained for, whatever the frame rate of the video and even if it varies.
"""

import heapq
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ifdd.inference.results import UNCERTAIN, Segment, Windows
from ifdd.video.timestamps import TIME_TOLERANCE

_NO_QUALITY = 1e-3  # windows of lower quality have no weight, so that sums are exact


class TimeCourse(NamedTuple):
    """The results of one track at each instant, combined from its windows."""

    edges: Float64[np.ndarray, " parts+1"]
    """Times in seconds; between two successive ones, the same windows cover every instant."""
    probabilities: Float64[np.ndarray, "parts classes"]
    """Mean over those windows, weighted by quality."""
    quality: Float64[np.ndarray, " parts"]
    """Mean of their qualities."""

    @property
    def middles(self) -> Float64[np.ndarray, " parts"]:
        """The middle of each part."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    def mean(
        self, values: Float64[np.ndarray, "rows columns"], start: int, stop: int
    ) -> Float64[np.ndarray, " columns"]:
        """Return the mean of one row of values for each part in ``start:stop``, weighted by length."""
        lengths = np.diff(self.edges[start : stop + 1])
        average: np.ndarray = lengths @ values / lengths.sum()
        return average


def frames_in_window(
    seconds: Sequence[float], start_seconds: float, end_seconds: float, count: int
) -> Int64[np.ndarray, " count"]:
    """Return the positions of the frames shown at the middle of each of ``count`` equal parts of a window.

    For a whole clip at a constant frame rate, these are the frames of ``ifdd.data.sampling.uniform_segments``.

    Args:
        seconds: start times of the frames, increasing; a frame is shown until the next one.
        start_seconds: start of the window; the first frame stands in for earlier times.
        end_seconds: end of the window.
        count: frames per clip.

    Example:
        >>> from ifdd.inference.segments import frames_in_window
        >>> frames_in_window([0.0, 0.25, 0.5, 0.75], start_seconds=0.0, end_seconds=1.0, count=2)
        array([1, 3])
    """
    middles = start_seconds + (np.arange(count) + 0.5) * (end_seconds - start_seconds) / count
    return np.maximum(np.searchsorted(np.asarray(seconds), middles + TIME_TOLERANCE, side="right") - 1, 0)


def last_window(
    start_seconds: float, covered_seconds: float, end_seconds: float, clip_seconds: float
) -> tuple[float, float] | None:
    """Return the window at the end of a track, or None if earlier windows reach that end.

    It ends with the track and overlaps the previous window. A track shorter than a clip has one window from its start
    to its end, which is stretched to a clip.

    Args:
        start_seconds: start of the track.
        covered_seconds: end of the last window so far; the start of the track if there is none.
        end_seconds: end of the track.
        clip_seconds: length of a window.
    """
    if covered_seconds >= end_seconds - TIME_TOLERANCE:
        return None
    return max(start_seconds, end_seconds - clip_seconds), end_seconds


def find_segments(
    track: int,
    windows: Windows,
    classes: Sequence[str],
    minimum_seconds: float,
    minimum_probability: float = 0.0,
    minimum_quality: float = 0.0,
) -> list[Segment]:
    """Divide one track into segments of one expression.

    Each instant gets the most probable class, or UNCERTAIN if no class reaches ``minimum_probability`` or the quality
    does not reach ``minimum_quality``. Equal neighbours are joined. While a segment is shorter than
    ``minimum_seconds``, the shortest one is merged into the neighbour whose class is more probable in it. If a segment
    is UNCERTAIN at least as long for its quality as for its probability, its flaw is the one that lowers the quality
    most.

    Args:
        track: id of the track.
        windows: those of the track, without gaps between them.
        classes: class names in the order of the probabilities.
        minimum_seconds: shortest segment; a shorter track still gives one segment.
        minimum_probability: required probability of a class, 0 to 1.
        minimum_quality: required quality of the face, 0 to 1.

    Example:
        >>> from ifdd.inference import TimelineEntry, Windows
        >>> from ifdd.inference.segments import find_segments
        >>> rows = [(0.9, 0.1), (0.8, 0.2), (0.1, 0.9)]
        >>> windows = Windows.of([TimelineEntry(1, s, s + 1, row) for s, row in zip((0.0, 1.0, 2.0), rows)], classes=2)
        >>> for segment in find_segments(1, windows, ("happy", "sad"), minimum_seconds=0.5):
        ...     print(segment.start_seconds, segment.end_seconds, segment.label, round(segment.probability, 2))
        0.0 2.0 happy 0.85
        2.0 3.0 sad 0.9
    """
    if not len(windows):
        return []
    course = time_course(windows)
    chances = np.pad(course.probabilities, ((0, 0), (0, 1)), constant_values=minimum_probability)
    improbable, poor = chances.argmax(1) == len(classes), course.quality < minimum_quality - 1e-9
    labels = np.where(poor, len(classes), chances.argmax(1))
    doubts = _find_doubts(windows, course, improbable, poor)
    stretches = _join_short(_join_equal(labels), course, chances, minimum_seconds)
    return [_segment(track, course, stretch, classes, doubts) for stretch in stretches]


def time_course(windows: Windows) -> TimeCourse:
    """Return the smoothed probabilities of one track.

    Every instant gets the mean of the windows that cover it, weighted by quality; unweighted if all have quality 0.

    Args:
        windows: those of one track, at least one.
    """
    edges = np.unique(np.concatenate([windows.start_seconds, windows.end_seconds]))
    edges = edges[np.concatenate([[True], np.diff(edges) > TIME_TOLERANCE])]
    add_up = partial(_add_up, windows, edges)
    probabilities, quality = windows.probabilities, windows.quality[:, None]
    weights = np.where(quality < _NO_QUALITY, 0.0, quality)
    count, readable = add_up(np.ones_like(weights)), add_up(np.sign(weights)) > 0
    plain = add_up(probabilities) / count
    weighted = add_up(probabilities * weights) / np.where(readable, add_up(weights), 1.0)
    return TimeCourse(edges, np.where(readable, weighted, plain), (add_up(quality) / count)[:, 0])


def _add_up(
    windows: Windows,
    edges: Float64[np.ndarray, " edges"],
    values: Float64[np.ndarray, "windows columns"],
) -> Float64[np.ndarray, "parts columns"]:
    """Return, for each part, the sum of the rows of the windows that cover it."""
    starts, ends = windows.start_seconds, windows.end_seconds
    steps = np.zeros((len(edges), values.shape[1]))
    np.add.at(steps, np.searchsorted(edges, starts + TIME_TOLERANCE, side="right") - 1, values)
    np.subtract.at(steps, np.searchsorted(edges, ends + TIME_TOLERANCE, side="right") - 1, values)
    return steps.cumsum(0)[:-1]


class _Doubts(NamedTuple):
    """Why the parts of a time course are uncertain."""

    flaws: tuple[str, ...]
    """The flaws that occur."""
    columns: Float64[np.ndarray, "parts flaws+1"]
    """The reason (1: quality, -1: only probability, 0: not uncertain), and how much each flaw lowers the quality where
    that is too low."""


def _find_doubts(
    windows: Windows,
    course: TimeCourse,
    improbable: Bool[np.ndarray, " parts"],
    poor: Bool[np.ndarray, " parts"],
) -> _Doubts:
    flaws = sorted({flaw for flaw in windows.flaws if flaw}) if poor.any() else []
    has_flaw = np.array([[own == flaw for flaw in flaws] for own in windows.flaws], float)
    losses = _add_up(windows, course.edges, has_flaw * (1 - windows.quality[:, None])) * poor[:, None]
    return _Doubts(tuple(flaws), np.column_stack([np.where(poor, 1.0, -1.0 * improbable), losses]))


class _Stretch(NamedTuple):
    """The parts ``start:stop`` of a time course, with one label."""

    start: int
    stop: int
    label: int


def _segment(track: int, course: TimeCourse, stretch: _Stretch, classes: Sequence[str], doubts: _Doubts) -> Segment:
    start, stop, label = stretch
    uncertain = label == len(classes)
    probabilities = course.probabilities[start:stop]
    chances = probabilities.max(1) if uncertain else probabilities[:, label]
    peak = start + int(chances.argmax())
    probability, quality = course.mean(np.stack([chances, course.quality[start:stop]], axis=1), start, stop).tolist()
    return Segment(
        track,
        float(course.edges[start]),
        float(course.edges[stop]),
        UNCERTAIN if uncertain else classes[label],
        probability,
        float(course.edges[peak : peak + 2].mean()),
        quality,
        _worst_flaw(course, stretch, doubts) if uncertain else "",
    )


def _worst_flaw(course: TimeCourse, stretch: _Stretch, doubts: _Doubts) -> str:
    """Return the flaw that lowers the quality most, if quality is the main reason for the uncertainty."""
    reason, *losses = course.mean(doubts.columns[stretch.start : stretch.stop], stretch.start, stretch.stop).tolist()
    return doubts.flaws[losses.index(max(losses))] if losses and reason >= 0 else ""


def _join_equal(labels: Int64[np.ndarray, " parts"]) -> list[_Stretch]:
    """Join neighbours of equal label."""
    starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [_Stretch(start, stop, int(labels[start])) for start, stop in pairwise(starts)]


def _join_short(
    stretches: Sequence[_Stretch],
    course: TimeCourse,
    chances: Float64[np.ndarray, "parts labels"],
    minimum_seconds: float,
) -> list[_Stretch]:
    """Merge short stretches into a neighbour, the shortest first, until none is left or only one stretch remains."""
    by_start = {stretch.start: stretch for stretch in stretches}
    by_stop = {stretch.stop: stretch for stretch in stretches}

    def length(stretch: _Stretch) -> float:
        return float(course.edges[stretch.stop] - course.edges[stretch.start])

    waiting = [
        (length(stretch), stretch) for stretch in stretches if length(stretch) < minimum_seconds - TIME_TOLERANCE
    ]
    heapq.heapify(waiting)
    while waiting:
        _, short = heapq.heappop(waiting)
        neighbours = [s for s in (by_stop.get(short.start), by_start.get(short.stop)) if s is not None]
        if by_start.get(short.start) != short or not neighbours:  # merged already, or the only one
            continue
        mean = course.mean(chances[short.start : short.stop], short.start, short.stop)
        label = max(neighbours, key=lambda stretch: mean[stretch.label]).label
        joined = [short, *(stretch for stretch in neighbours if stretch.label == label)]
        for stretch in joined:
            del by_start[stretch.start], by_stop[stretch.stop]
        whole = _Stretch(min(s.start for s in joined), max(s.stop for s in joined), label)
        by_start[whole.start] = by_stop[whole.stop] = whole
        if length(whole) < minimum_seconds - TIME_TOLERANCE:
            heapq.heappush(waiting, (length(whole), whole))
    return [by_start[start] for start in sorted(by_start)]
