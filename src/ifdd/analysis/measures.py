"""What a person showed in a period: shares of time, episodes, onsets, transitions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from ifdd.analysis.periods import Period
from ifdd.inference.results import UNCERTAIN, RecognizedTrack, Segment
from ifdd.inference.segments import time_course
from ifdd.video.timestamps import TIME_TOLERANCE


@dataclass(frozen=True)
class LabelMeasures:
    """One label of one person in a period."""

    label: str
    """Name of the class, or ``UNCERTAIN``."""
    seconds: float
    """Time in the period."""
    episodes: int
    """Segments that overlap the period."""
    longest_seconds: float
    """The longest of them, cut at the ends of the period; 0 without one."""
    onset_seconds: float | None
    """From the start of the period to the first segment that begins in it; None without one."""
    probability: float | None
    """Mean probability of the class over all of the person's time in the period; None for ``UNCERTAIN``."""

    @property
    def mean_seconds(self) -> float | None:
        """Mean duration of an episode, cut likewise; None without one."""
        return self.seconds / self.episodes if self.episodes else None


@dataclass(frozen=True)
class PersonMeasures:
    """One person in a period."""

    track: int
    """Id of the track."""
    start_seconds: float
    """When the person is first there in the period, from the first frame of the video."""
    end_seconds: float
    """When the person is last there."""
    seconds: float
    """Time with a result."""
    quality: float
    """Mean quality of the face, 0 to 1."""
    labels: tuple[LabelMeasures, ...]
    """The classes in order, then ``UNCERTAIN``."""
    transitions: dict[tuple[str, str], int]
    """(label, next label) -> how often one segment followed the other in the period."""
    action_units: tuple[float, ...]
    """Mean intensity of each unit that the model predicts, 0 to 1."""

    def share(self, label: LabelMeasures) -> float:
        """Return the share of the person's time with a label, 0 to 1."""
        return label.seconds / self.seconds


def measure(track: RecognizedTrack, period: Period, classes: Sequence[str]) -> PersonMeasures | None:
    """Measure what a person showed in a period; None if the person has no result in it.

    Args:
        track: the person.
        period: part of the video.
        classes: class names in the order of the probabilities.

    Example:
        >>> import numpy as np
        >>> from ifdd.analysis.measures import measure
        >>> from ifdd.analysis.periods import Period
        >>> from ifdd.inference import Boxes, RecognizedTrack, Segment, TimelineEntry, Windows
        >>> windows = Windows.of([TimelineEntry(1, 0.0, 4.0, (0.75, 0.25))], classes=2)
        >>> segments = (Segment(1, 0.0, 3.0, "happy", 0.75), Segment(1, 3.0, 4.0, "sad", 0.75))
        >>> track = RecognizedTrack(1, 0.0, 4.0, Boxes.of([]), windows, segments)
        >>> found = measure(track, Period(2.0, 4.0), classes=("happy", "sad"))
        >>> [(label.label, found.share(label), label.onset_seconds) for label in found.labels]
        [('happy', 0.5, None), ('sad', 0.5, 1.0), ('uncertain', 0.0, None)]
    """
    parts = [part for part in (_cut(segment, period) for segment in track.segments) if part is not None]
    if not parts:
        return None
    course = time_course(track.windows)
    weights = _overlaps(course.edges, period)
    probabilities = _mean(course.probabilities, weights)
    units = track.windows.action_units
    unit_means: tuple[float, ...] = ()
    if units is not None:
        unit_means = tuple(_mean(time_course(replace(track.windows, probabilities=units)).probabilities, weights))
    labels = (*classes, UNCERTAIN)
    chances: list[float | None] = [*probabilities, None]
    return PersonMeasures(
        track=track.id,
        start_seconds=parts[0].start_seconds,
        end_seconds=parts[-1].end_seconds,
        seconds=sum((_length(part) for part in parts), 0.0),
        quality=_mean(course.quality[:, None], weights)[0],
        labels=tuple(
            _measure_label(label, chance, track.segments, parts, period, classes)
            for label, chance in zip(labels, chances, strict=True)
        ),
        transitions=_count_transitions(track.segments, period, classes),
        action_units=unit_means,
    )


def _measure_label(
    label: str,
    probability: float | None,
    segments: Sequence[Segment],
    parts: Sequence[Segment],
    period: Period,
    classes: Sequence[str],
) -> LabelMeasures:
    lengths = [_length(part) for part in parts if _label(part, classes) == label]
    onsets = [
        segment.start_seconds - period.start_seconds
        for segment in segments
        if _label(segment, classes) == label and _is_in(segment.start_seconds, period)
    ]
    return LabelMeasures(
        label=label,
        seconds=sum(lengths, 0.0),
        episodes=len(lengths),
        longest_seconds=max(lengths, default=0.0),
        onset_seconds=max(onsets[0], 0.0) if onsets else None,
        probability=probability,
    )


def _count_transitions(
    segments: Sequence[Segment], period: Period, classes: Sequence[str]
) -> dict[tuple[str, str], int]:
    counts: Counter[tuple[str, str]] = Counter()
    for before, after in pairwise(segments):
        touching = after.start_seconds - before.end_seconds <= TIME_TOLERANCE
        if touching and _is_in(after.start_seconds, period):
            counts[_label(before, classes), _label(after, classes)] += 1
    return dict(counts)


def _label(segment: Segment, classes: Sequence[str]) -> str:
    return segment.label if segment.label in classes else UNCERTAIN


def _is_in(seconds: float, period: Period) -> bool:
    return period.start_seconds - TIME_TOLERANCE <= seconds < period.end_seconds - TIME_TOLERANCE


def _cut(segment: Segment, period: Period) -> Segment | None:
    """Return the part of a segment in a period."""
    start, end = max(segment.start_seconds, period.start_seconds), min(segment.end_seconds, period.end_seconds)
    return segment._replace(start_seconds=start, end_seconds=end) if end - start > TIME_TOLERANCE else None


def _length(segment: Segment) -> float:
    return segment.end_seconds - segment.start_seconds


def _overlaps(edges: Float64[np.ndarray, " edges"], period: Period) -> Float64[np.ndarray, " parts"]:
    """Return how long each part of a time course lies in a period."""
    return np.diff(np.clip(edges, period.start_seconds, period.end_seconds))


def _mean(values: Float64[np.ndarray, "parts columns"], weights: Float64[np.ndarray, " parts"]) -> list[float]:
    return [float(value) for value in weights @ values / weights.sum()]
