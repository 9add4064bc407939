"""Reading the frames of a video as they come: faces detected and tracked, and the windows that they fill.

Crops are kept for about one window of each person, so memory does not grow with the length of the video.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.faces.detection import FaceBox, FaceDetector
from ifdd.faces.tracking import SearchTurns, Track, Tracker, TrackingOptions
from ifdd.inference.frame_statistics import StatisticsRecorder
from ifdd.inference.reader import ClipReader
from ifdd.inference.results import BoxRecorder, RecognizedTrack, Segment, TimelineEntry, Windows
from ifdd.inference.segments import find_segments
from ifdd.inference.windows import TrackWindows, Window, WindowOptions
from ifdd.video.shots import ShotBoundaryDetector


class Sighting(NamedTuple):
    """What is seen in one frame alone."""

    faces: list[FaceBox] | None
    """The faces; None if the frame was not searched."""
    boundary: bool
    """Whether a shot begins."""
    shot_change: float
    """Histogram distance to the frame before, 0 to 1."""


class Watcher:
    """Checks every frame for shot boundaries and scheduled frames for faces.

    Args:
        detector: finds faces.
        tracking: which frames are searched, and what a shot boundary is.
    """

    def __init__(self, detector: FaceDetector, tracking: TrackingOptions) -> None:
        self._detector = detector
        self._shots = ShotBoundaryDetector(tracking.shot_threshold)
        self._turns = SearchTurns(tracking.detect_every)

    def look(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> Sighting:
        """Look at the next frame (RGB, its time)."""
        boundary = self._shots.is_boundary(image, seconds)
        faces = self._detector.detect(image) if self._turns.is_turn(seconds, boundary) else None
        return Sighting(faces, boundary, self._shots.last_score)


@dataclass
class _Person:
    """What is kept of one track while it lasts."""

    windows: TrackWindows
    boxes: BoxRecorder = field(default_factory=BoxRecorder)


@dataclass(frozen=True)
class _EndedTrack:
    """A track that has ended, without what the model reads in it."""

    id: int
    start_seconds: float
    end_seconds: float
    boxes: BoxRecorder


class Stream:
    """Reads the frames of a video as they come, in memory that does not grow with their number.

    Args:
        reader: the model.
        detector: finds faces.
        tracking: when tracks begin and end.
        windows: how windows slide.
        least_windows: how many windows wait for each other before they are read; those of one frame are always read
            together.
        keep_tracks: keep every box of every person, the people who left, and the times of shot boundaries.
        statistics: where measurements of every frame are recorded, if they are wanted.

    Raises:
        InputError: the windows' stride is longer than a clip.
    """

    def __init__(
        self,
        reader: ClipReader,
        detector: FaceDetector,
        tracking: TrackingOptions | None = None,
        windows: WindowOptions | None = None,
        *,
        least_windows: int = 1,
        keep_tracks: bool = False,
        statistics: StatisticsRecorder | None = None,
    ) -> None:
        tracking = tracking or TrackingOptions()
        self._reader = reader
        self._detector = detector
        self._options = windows or WindowOptions()
        self._options.stride(reader.clip_seconds)  # too long a stride is refused here
        self._least_windows = least_windows
        self._keep_tracks = keep_tracks
        self._statistics = statistics
        self._tracker = Tracker(tracking, keep_points=False)
        self.watcher = Watcher(detector, tracking)
        """Looks at the frames, and may do so ahead of ``follow`` in another thread."""
        self._people: dict[int, _Person] = {}  # by key of the track
        self._waiting: list[Window] = []
        self._frames = 0
        self._seconds = -math.inf
        self._shape: tuple[int, ...] | None = None
        self._ended: list[_EndedTrack] = []
        self.shot_boundaries_seconds: list[float] = []
        """Times of the first frames of new shots, if tracks are kept."""
        self.in_sight: list[Track] = []
        """The people in the newest frame; id 0: not yet certain."""

    @property
    def latency_seconds(self) -> float:
        """How long after the middle of its window a reading is given: half a window.

        A window full of a face is read in the frame that fills it. While the face is hidden, the reading waits until it
        is detected again or given up, at most ``tracking.gap_seconds`` later; a new face waits for
        ``tracking.minimum_seconds`` at first. The time that the computer takes comes on top.
        """
        return self._reader.clip_seconds / 2

    def read(self, image: np.ndarray, seconds: float) -> list[TimelineEntry]:
        """Take in the next frame and return what was read in the windows that it filled.

        Args:
            image: RGB, height x width x 3 of 8 bits, of one size throughout.
            seconds: its time, not before that of the frame before; the readings are on this clock.

        Raises:
            InputError: the frame is not such an image, or is earlier than the one before; it is then ignored.
        """
        self._check_shape(image)
        self._check_time(seconds)
        self._shape = image.shape
        return self.read_windows(self.follow(image, seconds, self.watcher.look(image, seconds)))

    def follow(self, image: UInt8[np.ndarray, "height width 3"], seconds: float, sighting: Sighting) -> list[Window]:
        """Do the first half of ``read``: take in a frame that was looked at, and return a batch of windows, or none.

        Args:
            image: RGB.
            seconds: its time.
            sighting: what the ``watcher`` saw in it.

        Raises:
            InputError: the frame is earlier than the one before.
        """
        self._check_time(seconds)
        self._seconds = seconds
        if sighting.boundary and self._keep_tracks:
            self.shot_boundaries_seconds.append(seconds)
        update = self._tracker.update(self._frames, seconds, sighting.faces, sighting.boundary, image)
        for track in update.ended:
            self._end(track)
        qualities = {track.key: self._take_in(track, image, seconds) for track in update.active}
        self._people = {track.key: self._people[track.key] for track in update.active}
        if self._keep_tracks:
            for key, points in update.settled.items():
                self._people[key].boxes.add(points)
        if self._statistics is not None:
            faces, boundary, change = sighting
            self._statistics.add(self._frames, seconds, change, boundary, faces, update.active, qualities)
        self._frames += 1
        self.in_sight = update.active
        return self._take_windows() if len(self._waiting) >= self._least_windows else []

    def read_windows(self, windows: Sequence[Window]) -> list[TimelineEntry]:
        """Do the second half of ``read``: return what the model reads in windows."""
        probabilities = self._reader.read([window.clip for window in windows]).tolist()
        return [
            TimelineEntry(
                window.track, window.start_seconds, window.end_seconds, tuple(row), window.quality, window.flaw
            )
            for window, row in zip(windows, probabilities, strict=True)
        ]

    def finish(self, end_seconds: float) -> list[TimelineEntry]:
        """End all tracks and return what is left to be read.

        Args:
            end_seconds: the end of the last frame.
        """
        for track in self._tracker.finish(end_seconds):
            self._end(track)
        self.in_sight = []
        return self.read_windows(self._take_windows())

    def tracks(self, readings: Sequence[TimelineEntry]) -> tuple[RecognizedTrack, ...]:
        """Return the people whose tracks ended, by id, if tracks are kept.

        Args:
            readings: everything that was read of them.
        """
        by_track: dict[int, list[TimelineEntry]] = {ended.id: [] for ended in self._ended}
        for entry in readings:
            by_track[entry.track].append(entry)
        return tuple(self._track(ended, by_track[ended.id]) for ended in sorted(self._ended, key=lambda one: one.id))

    def _track(self, ended: _EndedTrack, entries: Sequence[TimelineEntry]) -> RecognizedTrack:
        windows = Windows.of(entries, len(self._reader.classes))
        return RecognizedTrack(
            ended.id,
            ended.start_seconds,
            ended.end_seconds,
            ended.boxes.boxes(),
            windows,
            self._segments(ended.id, windows),
        )

    def _segments(self, track: int, windows: Windows) -> tuple[Segment, ...]:
        options = self._options
        least = options.minimum_segment_seconds, options.minimum_probability, options.minimum_quality
        return tuple(find_segments(track, windows, self._reader.classes, *least))

    def _take_in(self, track: Track, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> float:
        """Crop a face, queue the windows that are full, and return the quality of the face."""
        if track.key not in self._people:
            windows = TrackWindows(track.start_seconds, self._reader, self._detector, self._options)
            self._people[track.key] = _Person(windows)
        windows = self._people[track.key].windows
        quality = windows.add(image, track.box, seconds, track.last_seen_seconds)
        if track.id:
            self._waiting += windows.take_full(track.id, track.last_seen_seconds)
        return quality.score

    def _end(self, track: Track) -> None:
        """Queue what is left of a track that ended."""
        person = self._people.pop(track.key)
        if self._statistics is not None:
            self._statistics.identify(track)
        self._waiting += person.windows.take_rest(track.id, track.end_seconds)
        if self._keep_tracks:
            person.boxes.add(track.points)
            self._ended.append(_EndedTrack(track.id, track.start_seconds, track.end_seconds, person.boxes))

    def _take_windows(self) -> list[Window]:
        windows, self._waiting = self._waiting, []
        return windows

    def _check_shape(self, image: np.ndarray) -> None:
        good = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0
        if not good or self._shape not in (None, image.shape):
            height, width, _ = self._shape or ("height", "width", 3)
            raise InputError(
                f"a frame of this stream has {height} x {width} x 3 values of uint8, given "
                f"{' x '.join(map(str, image.shape))} of {image.dtype}; convert it, or open a new stream"
            )

    def _check_time(self, seconds: float) -> None:
        if not self._seconds <= seconds < math.inf:  # nor NaN
            raise InputError(f"a frame at {seconds} s follows one at {self._seconds} s; give frames in order of time")
