"""The results for one video as plain data: the video, the model, and the boxes, windows and segments of each track.

Boxes and windows are arrays: for an hour of one face, 5 MB of boxes and 1 MB of windows.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ifdd.faces.tracking import TrackPoint
from ifdd.video.frames import VideoInfo

UNCERTAIN = "uncertain"
"""Label of a segment in which no class is probable enough or the face quality is too low."""


class TimelineEntry(NamedTuple):
    """The model's result for one window of one track."""

    track: int
    """Id of the track."""
    start_seconds: float
    """Start of the window, from the first frame read."""
    end_seconds: float
    """End of the window."""
    probabilities: tuple[float, ...]
    """One for each class, in the order of the classes; they sum to 1."""
    quality: float = 1.0
    """Quality of the face, 0 to 1: the mean over the window's frames (0 where it was not detected), times the share of
    frames with distinct images."""
    flaw: str = ""
    """What lowers the quality most; "" if the quality is high enough."""
    action_units: tuple[float, ...] = ()
    """Intensity of each of ``ModelInfo.action_units``, 0 to 1."""


class Segment(NamedTuple):
    """Part of a track with one expression."""

    track: int
    """Id of the track."""
    start_seconds: float
    """Start, from the first frame read."""
    end_seconds: float
    """End."""
    label: str
    """Name of the class, or ``UNCERTAIN``."""
    probability: float
    """Mean probability of that class over the segment; of the most probable class if the label is UNCERTAIN."""
    peak_seconds: float | None = None
    """Middle of the interval in the segment where that probability is highest."""
    quality: float = 1.0
    """Mean quality of the face, 0 to 1."""
    flaw: str = ""
    """What lowers the quality most, if quality is the reason for UNCERTAIN; otherwise ""."""

    @property
    def confidence(self) -> float:
        """Probability times quality, 0 to 1.

        Example:
            >>> from ifdd.inference import Segment
            >>> segment = Segment(1, 0.0, 2.5, "happy", probability=0.75, quality=0.5)
            >>> segment.confidence
            0.375
        """
        return self.probability * self.quality


class _Arrays:
    """Equality and length of a frozen dataclass whose fields are arrays or tuples of equal length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [one.name for one in fields(self)]  # type: ignore[arg-type]
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    __hash__ = None  # type: ignore[assignment]  # arrays are mutable


@dataclass(frozen=True, eq=False)
class Boxes(_Arrays):
    """The face of one track in every frame from its first to its last.

    Example:
        >>> import numpy as np
        >>> from ifdd.inference import Boxes
        >>> xyxy = np.array([[10.0, 20.0, 50.0, 70.0], [12.0, 20.0, 52.0, 70.0]])
        >>> boxes = Boxes(np.array([5, 6]), np.array([0.2, 0.24]), xyxy, scores=np.array([0.9, 0.0]))
        >>> boxes.xyxy[boxes.at(6)].tolist(), boxes.detected.tolist()
        ([12.0, 20.0, 52.0, 70.0], [True, False])
    """

    frames: Int64[np.ndarray, " boxes"]
    """Numbers of the frames, from 0."""
    seconds: Float64[np.ndarray, " boxes"]
    """Times of the frames, from the first frame read."""
    xyxy: Float64[np.ndarray, "boxes 4"]
    """Left, top, right, bottom in pixels of the first frame, upright: ``VideoInfo.width`` x ``height``. Other
    frames (``VideoInfo.sizes``) are fitted into it without distortion, centred. May lie outside."""
    scores: Float64[np.ndarray, " boxes"]
    """Detection score, 0 to 1; exactly 0 where the face was not detected and the box is predicted."""

    @classmethod
    def of(cls, points: Iterable[TrackPoint]) -> "Boxes":
        """Build the boxes from the points of a track."""
        recorder = BoxRecorder()
        recorder.add(points)
        return recorder.boxes()

    @property
    def detected(self) -> Bool[np.ndarray, " boxes"]:
        """Where the face was detected, not predicted."""
        return self.scores > 0

    def at(self, frame: int) -> int | None:
        """Return the position of a frame's box; None if the track is not in that frame."""
        position = frame - int(self.frames[0]) if len(self) else -1
        return position if 0 <= position < len(self) else None


class BoxRecorder:
    """Collects the points of a track, 56 bytes each."""

    COLUMNS = 7  # frame, seconds, left, top, right, bottom, score

    def __init__(self) -> None:
        self._numbers = array("d")

    def add(self, points: Iterable[TrackPoint]) -> None:
        """Add the next points."""
        for frame, seconds, box in points:
            right, bottom = box.x + box.width, box.y + box.height
            self._numbers.extend((frame, seconds, box.x, box.y, right, bottom, box.score))

    def boxes(self) -> Boxes:
        """Return the boxes so far."""
        table = np.array(self._numbers, np.float64).reshape(-1, self.COLUMNS)
        return Boxes(table[:, 0].astype(np.int64), table[:, 1], table[:, 2:6], table[:, 6])


@dataclass(frozen=True, eq=False)
class Windows(_Arrays):
    """The model's results for the windows of one track, in order of time.

    Example:
        >>> from ifdd.inference import TimelineEntry, Windows
        >>> entries = [TimelineEntry(1, 0.0, 1.0, (0.8, 0.2)), TimelineEntry(1, 0.5, 1.5, (0.6, 0.4))]
        >>> windows = Windows.of(entries, classes=2)
        >>> len(windows), windows.end_seconds.tolist(), windows.probabilities.shape
        (2, [1.0, 1.5], (2, 2))
    """

    start_seconds: Float64[np.ndarray, " windows"]
    """Starts, from the first frame read."""
    end_seconds: Float64[np.ndarray, " windows"]
    """Ends."""
    probabilities: Float64[np.ndarray, "windows classes"]
    """One for each class, in the order of the classes; each row sums to 1."""
    quality: Float64[np.ndarray, " windows"]
    """Quality of the face, 0 to 1; see ``TimelineEntry.quality``."""
    flaws: tuple[str, ...]
    """What lowers the quality most; "" if it is high enough."""
    action_units: Float64[np.ndarray, "windows units"] | None = None
    """Intensity of each of ``ModelInfo.action_units``, 0 to 1; None if the model predicts none."""

    @classmethod
    def of(cls, entries: Sequence[TimelineEntry], classes: int) -> "Windows":
        """Build the windows of one track from its results.

        Args:
            entries: those of the track, in any order.
            classes: number of classes.
        """
        recorder = WindowRecorder(classes)
        for entry in entries:
            recorder.add(entry)
        return recorder.windows()

    def entries(self, track: int) -> list[TimelineEntry]:
        """Return one entry per window, with the given track id."""
        columns = (self.start_seconds.tolist(), self.end_seconds.tolist(), self.probabilities.tolist())
        units = [()] * len(self) if self.action_units is None else map(tuple, self.action_units.tolist())
        rows = zip(*columns, self.quality.tolist(), self.flaws, units, strict=True)
        return [TimelineEntry(track, start, end, tuple(row), *further) for start, end, row, *further in rows]


class WindowRecorder:
    """Collects the results of a track's windows, in any order: 8 bytes for each time, probability and intensity.

    Args:
        classes: number of classes.
    """

    COLUMNS = 3  # start, end, quality; before the probabilities and the action units

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._numbers = array("d")
        self._flaws: list[str] = []

    def add(self, entry: TimelineEntry) -> None:
        """Add the result of a window."""
        times = (entry.start_seconds, entry.end_seconds, entry.quality)
        self._numbers.extend((*times, *entry.probabilities, *entry.action_units))
        self._flaws.append(entry.flaw)

    def windows(self) -> Windows:
        """Return the windows so far, in order of time."""
        units = self.COLUMNS + self._classes
        columns = len(self._numbers) // len(self._flaws) if self._flaws else units
        table = np.array(self._numbers, np.float64).reshape(-1, columns)
        order = np.argsort(table[:, 0], kind="stable")
        table = table[order]
        return Windows(
            start_seconds=table[:, 0],
            end_seconds=table[:, 1],
            probabilities=table[:, self.COLUMNS : units],
            quality=table[:, 2],
            flaws=tuple(self._flaws[row] for row in order.tolist()),
            action_units=table[:, units:] if columns > units else None,
        )


@dataclass(frozen=True)
class RecognizedTrack:
    """One person within a shot."""

    id: int
    """Number of the track, from 1, in order of appearance."""
    start_seconds: float
    """Time of the first frame with the face."""
    end_seconds: float
    """End of the last frame with the face."""
    boxes: Boxes
    """The face in every frame."""
    windows: Windows
    """The model's results."""
    segments: tuple[Segment, ...]
    """Its segments, in order of time."""


@dataclass(frozen=True)
class ModelInfo:
    """The model and the face detector behind results."""

    name: str
    """Preset of the model."""
    frames: int
    """Frames per clip."""
    size: int
    """Height and width of a clip in pixels."""
    clip_seconds: float
    """Length of a window."""
    classes: tuple[str, ...]
    """Class names in the order of the probabilities."""
    face_detector: str
    """Name of the face detector, such as "yunet" or "haar"."""
    description: Mapping[str, Any] = field(default_factory=dict)
    """The checkpoint's record of its training."""
    checkpoint: str | None = None
    """Name of the checkpoint file; None if the model was not loaded from a file."""
    checkpoint_sha256: str | None = None
    """SHA-256 of the checkpoint file."""
    calibration: Mapping[str, Any] | None = None
    """The checkpoint's record of its calibration; None if it has none."""
    notice: str = ""
    """Known limitation of the model, or that the detector finds no landmarks although the model expects faces aligned
    by them; "" if there is none."""
    alignment: str = "box"
    """How faces are cropped for the model: box or landmarks."""
    action_units: tuple[int, ...] = ()
    """FACS numbers of the action units whose intensity the model predicts."""
    class_weights: Mapping[str, float] = field(default_factory=dict)
    """What the probabilities of classes were multiplied by, if not 1 (``WindowOptions.class_weights``)."""


@dataclass(frozen=True, eq=False)
class FrameStatistics(_Arrays):
    """Measurements for tuning thresholds: one row for each track in each frame, or for a frame without tracks."""

    frames: Int64[np.ndarray, " rows"]
    """Number of the frame, from 0."""
    seconds: Float64[np.ndarray, " rows"]
    """Its time."""
    shot_changes: Float64[np.ndarray, " rows"]
    """Histogram distance to the previous frame, 0 to 1; ``tracking.shot_threshold`` is compared with it."""
    boundaries: Bool[np.ndarray, " rows"]
    """Whether it begins a shot."""
    detections: Int64[np.ndarray, " rows"]
    """Number of faces detected in the frame; -1 if the frame was not searched."""
    best_scores: Float64[np.ndarray, " rows"]
    """Highest detection score in the frame, even if it started no track; NaN without a detection."""
    tracks: Int64[np.ndarray, " rows"]
    """Id of the track; 0 for a dropped track or no track."""
    scores: Float64[np.ndarray, " rows"]
    """Detection score of its face, 0 if its box is predicted; NaN without a track."""
    quality: Float64[np.ndarray, " rows"]
    """Quality of its face in this frame, 0 to 1; NaN without a track."""


@dataclass(frozen=True)
class Results:
    """The expressions of the people in one video. All times are seconds from the first frame read."""

    video: VideoInfo
    """The video."""
    model: ModelInfo
    """The model that produced the results."""
    tracks: tuple[RecognizedTrack, ...]
    """The people, by id; empty if no face was found."""
    shot_boundaries_seconds: tuple[float, ...] = ()
    """Times of the first frames of new shots."""
    statistics: FrameStatistics | None = field(default=None, compare=False)
    """Measurements of every frame, if requested."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.model.classes

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The windows of all tracks, by time, then by track."""
        entries = (entry for track in self.tracks for entry in track.windows.entries(track.id))
        return tuple(sorted(entries, key=lambda entry: (entry.start_seconds, entry.track)))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of all tracks, by track, then by time."""
        return tuple(segment for track in self.tracks for segment in track.segments)

    @property
    def face_share(self) -> float:
        """Share of the video's frames in which the face of any track was detected, 0 to 1."""
        detected = [track.boxes.frames[track.boxes.detected] for track in self.tracks]
        return len(np.unique(np.concatenate(detected))) / self.video.frames if detected else 0.0
