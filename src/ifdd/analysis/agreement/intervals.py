"""Intervals of time, with labels and without: join, cut and invert them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ifdd.video.timestamps import TIME_TOLERANCE

Interval = tuple[float, float]
"""Start and end."""

Labelled = tuple[float, float, int]
"""Start, end and label."""


def joined(intervals: Sequence[Labelled]) -> list[Labelled]:
    """Return intervals, where those that touch and have the same label are one."""
    whole: list[Labelled] = []
    for start, end, label in sorted(intervals):
        if whole and whole[-1][2] == label and start - whole[-1][1] <= TIME_TOLERANCE:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]), label)
        else:
            whole.append((start, end, label))
    return whole


def union(intervals: Iterable[Interval | Labelled]) -> list[Interval]:
    """Return the time that intervals cover, whatever their labels, in order and apart from each other."""
    return [(start, end) for start, end, _ in joined([(each[0], each[1], 0) for each in intervals])]


def free(taken: Iterable[Interval | Labelled], start: float, end: float) -> list[Interval]:
    """Return the intervals between start and end that are not taken."""
    edges = [(start, start), *union(taken), (end, end)]
    gaps = ((max(before[1], start), min(after[0], end)) for before, after in pairwise(edges))
    return [(first, last) for first, last in gaps if last > first]


def within(interval: Labelled, times: Iterable[Interval]) -> list[Labelled]:
    """Return the parts of an interval that lie in times, which are in order.

    Example:
        >>> from ifdd.analysis.agreement.intervals import within
        >>> within((1.0, 5.0, 0), [(0.0, 2.0), (4.0, 9.0)])
        [(1.0, 2.0, 0), (4.0, 5.0, 0)]
    """
    start, end, label = interval
    parts = ((max(start, first), min(end, last), label) for first, last in times)
    return [part for part in parts if part[1] > part[0]]
