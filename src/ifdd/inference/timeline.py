"""Windows in time, and what follows from what was read in them: pure functions of numbers.

A window is a stretch of a track that makes one clip. Frames are chosen by time, never by number, so a video of any
or of changing frame rate is read at the speed that the model was trained for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

CLOCK = 1e-6
"""Times that differ by less are the same (seconds)."""

UNCERTAIN = "uncertain"
"""The label of a segment in which no class is probable enough."""


class TimelineEntry(NamedTuple):
    """What the model reads in one window of one track."""

    track: int
    """Id of the track."""
    start_seconds: float
    """Start of the window, from the video's first frame."""
    end_seconds: float
    """End of the window."""
    probabilities: tuple[float, ...]
    """One for each class, in the order of the classes; they add up to 1."""


class Segment(NamedTuple):
    """A stretch of a track with one expression."""

    track: int
    """Id of the track."""
    start_seconds: float
    """Start, from the video's first frame."""
    end_seconds: float
    """End."""
    label: str
    """Name of the class."""
    probability: float
    """Mean probability of that class over the segment; of the most probable class, where the label is UNCERTAIN."""
    peak_seconds: float | None = None
    """Middle of the part of the segment in which that probability is highest."""


def frames_in_window(
    seconds: Sequence[float], start_seconds: float, end_seconds: float, count: int
) -> Int64[np.ndarray, " count"]:
    """Return positions of the frames that are on screen in the middle of ``count`` equal parts of a window.

    In a whole clip of constant frame rate these are the frames of ``ifdd.data.sampling.uniform_segments``.

    Args:
        seconds: times at which the frames appear, increasing; a frame stays until the next one.
        start_seconds: start of the window; a time before the first frame stands for that frame.
        end_seconds: end of the window.
        count: frames of a clip.
    """
    middles = start_seconds + (np.arange(count) + 0.5) * (end_seconds - start_seconds) / count
    return np.maximum(np.searchsorted(np.asarray(seconds), middles + CLOCK, side="right") - 1, 0)


def last_window(
    start_seconds: float, covered_seconds: float, end_seconds: float, clip_seconds: float
) -> tuple[float, float] | None:
    """Return the window that reads the end of a track, or None if the windows before it reach that end.

    It ends with the track and overlaps the window before it. A track shorter than a clip is read in one
    window from its start to its end: it is stretched to a clip.

    Args:
        start_seconds: start of the track.
        covered_seconds: end of the last window so far; the track's start if there is none.
        end_seconds: end of the track.
        clip_seconds: length of a window.
    """
    if covered_seconds >= end_seconds - CLOCK:
        return None
    return max(start_seconds, end_seconds - clip_seconds), end_seconds


def find_segments(
    entries: Sequence[TimelineEntry], classes: Sequence[str], minimum_seconds: float, minimum_probability: float = 0.0
) -> list[Segment]:
    """Cut the time course of one track into stretches of one expression.

    Each instant gets the mean of the windows that cover it and the class that is largest there. Equal
    neighbours are joined. While a stretch is shorter than ``minimum_seconds``, the shortest one is given to the
    neighbour whose class is more probable in it. Where no class reaches ``minimum_probability``, UNCERTAIN
    takes the place of a class with that probability.

    Args:
        entries: the windows of one track, in any order, without a hole between them.
        classes: class names in the order of the probabilities.
        minimum_seconds: shortest segment; a track that is shorter still gives one segment.
        minimum_probability: least probability of a class, 0 to 1.
    """
    if not entries:
        return []
    edges, probabilities = time_course(entries)
    means = np.concatenate([probabilities, np.full((len(probabilities), 1), minimum_probability)], axis=1)
    labels = [int(label) for label in means.argmax(1)]
    stretches = _join(labels, list(range(len(labels) + 1)))
    while len(stretches) > 1:
        lengths = [edges[stretch.stop] - edges[stretch.start] for stretch in stretches]
        shortest = int(np.argmin(lengths))
        if lengths[shortest] >= minimum_seconds - CLOCK:
            break
        course = _mean(edges, means, stretches[shortest])
        beside = [i for i in (shortest - 1, shortest + 1) if 0 <= i < len(stretches)]
        taker = max(beside, key=lambda i: course[stretches[i].label])
        stretches[shortest] = stretches[shortest]._replace(label=stretches[taker].label)
        stretches = _join([s.label for s in stretches], [s.start for s in stretches] + [stretches[-1].stop])
    return [_segment(entries[0].track, edges, probabilities, stretch, classes) for stretch in stretches]


def time_course(
    entries: Sequence[TimelineEntry],
) -> tuple[Float64[np.ndarray, " edges"], Float64[np.ndarray, "edges-1 classes"]]:
    """Return the smoothed probabilities of one track: edges in seconds, and the mean between each two of them.

    Between two successive edges the same windows cover every instant; their mean is what is returned.

    Args:
        entries: the windows of one track, at least one.
    """
    starts = np.array([entry.start_seconds for entry in entries], float)
    ends = np.array([entry.end_seconds for entry in entries], float)
    edges = np.unique(np.concatenate([starts, ends]))
    edges = edges[np.concatenate([[True], np.diff(edges) > CLOCK])]
    middles = (edges[:-1] + edges[1:]) / 2
    covers = (starts <= middles[:, None]) & (middles[:, None] < ends)
    probabilities = np.array([entry.probabilities for entry in entries])
    return edges, covers @ probabilities / covers.sum(1, keepdims=True)


class _Stretch(NamedTuple):
    """Parts ``start`` to ``stop`` (not included) of a time course, with one label."""

    start: int
    stop: int
    label: int


def _segment(
    track: int,
    edges: Float64[np.ndarray, " edges"],
    probabilities: Float64[np.ndarray, "edges-1 classes"],
    stretch: _Stretch,
    classes: Sequence[str],
) -> Segment:
    uncertain = stretch.label == len(classes)
    course = probabilities.max(1) if uncertain else probabilities[:, stretch.label]
    peak = stretch.start + int(course[stretch.start : stretch.stop].argmax())
    return Segment(
        track,
        float(edges[stretch.start]),
        float(edges[stretch.stop]),
        UNCERTAIN if uncertain else classes[stretch.label],
        float(_mean(edges, course[:, None], stretch)[0]),
        float((edges[peak] + edges[peak + 1]) / 2),
    )


def _join(labels: Sequence[int], edges: Sequence[int]) -> list[_Stretch]:
    """Join neighbours of equal label; stretch i runs from ``edges[i]`` to ``edges[i + 1]``."""
    stretches: list[_Stretch] = []
    for label, start, stop in zip(labels, edges[:-1], edges[1:], strict=True):
        if stretches and stretches[-1].label == label:
            stretches[-1] = stretches[-1]._replace(stop=stop)
        else:
            stretches.append(_Stretch(start, stop, label))
    return stretches


def _mean(
    edges: Float64[np.ndarray, " edges"], means: Float64[np.ndarray, "edges-1 classes"], stretch: _Stretch
) -> Float64[np.ndarray, " classes"]:
    """Average a time course over a stretch, by length."""
    part = slice(stretch.start, stretch.stop)
    lengths = np.diff(edges)[part]
    average: np.ndarray = lengths @ means[part] / lengths.sum()
    return average
