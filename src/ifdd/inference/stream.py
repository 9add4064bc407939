"""Recognise expressions frame by frame: detect and track faces, and classify each window as soon as it is full.

Crops are kept for about one window per person, so memory does not grow with the length of the video.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.detection import FaceDetector
from ifdd.faces.tracking import SearchSchedule, Track, Tracker, TrackingOptions
from ifdd.faces.upright.search import FaceSearch
from ifdd.inference.frame_statistics import StatisticsRecorder
from ifdd.inference.reader import ClipReader
from ifdd.inference.results import Boxes, BoxRecorder, RecognizedTrack, TimelineEntry, WindowRecorder
from ifdd.inference.windows import FaceFrame, TrackWindows, Window, WindowOptions
from ifdd.video.fitting import SAME, Fit, Size, fit_into, letterbox
from ifdd.video.shots import ShotBoundaryDetector


class FrameAnalysis(NamedTuple):
    """The result of analysing one frame, before tracking."""

    faces: list[FaceBox] | None
    """The detected faces; None if the frame was not searched."""
    boundary: bool
    """Whether a shot begins with it."""
    shot_change: float
    """Histogram distance to the previous frame, 0 to 1."""


class FrameAnalyzer:
    """Checks every frame for shot boundaries and scheduled frames for faces.

    Args:
        detector: the face detector.
        tracking: which frames are searched, and the threshold of shot boundaries.
    """

    def __init__(self, detector: FaceDetector, tracking: TrackingOptions) -> None:
        self._search = FaceSearch(detector, reduce=True)
        self._shots = ShotBoundaryDetector(tracking.shot_threshold)
        self._schedule = SearchSchedule(tracking.detect_every)

    def analyze(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> FrameAnalysis:
        """Analyse the next frame (RGB, its time)."""
        boundary = self._shots.is_boundary(image, seconds)
        faces = self._search.search(image, seconds, boundary) if self._schedule.is_due(seconds, boundary) else None
        return FrameAnalysis(faces, boundary, self._shots.last_score)


@dataclass
class _Person:
    """The windows and boxes of an active track."""

    windows: TrackWindows
    boxes: BoxRecorder = field(default_factory=BoxRecorder)


@dataclass(frozen=True)
class _EndedTrack:
    """A track that has ended, without its windows."""

    id: int
    start_seconds: float
    end_seconds: float
    boxes: Boxes
    turn: int
    """How far its face is turned, to the nearest 90 degrees."""


class Stream:
    """Recognises the expressions in a stream of frames, in memory that does not grow with their number.

    Args:
        reader: runs the model.
        detector: the face detector.
        tracking: when tracks begin and end.
        windows: how windows slide.
        least_windows: number of windows to collect before the model runs; those of one frame always run together.
        keep_tracks: keep all boxes and results of all tracks, and the times of shot boundaries, for ``tracks``.
        statistics: records measurements of every frame; None records none.
        canvas: width and height of the picture that boxes refer to; None for those of the first frame.

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
        canvas: Size | None = None,
    ) -> None:
        tracking = tracking or TrackingOptions()
        self._reader = reader
        self._detector = detector
        self._options = windows or WindowOptions()
        self._options.stride(reader.clip_seconds)  # refuses a stride longer than a clip
        self._least_windows = least_windows
        self._keep_tracks = keep_tracks
        self._statistics = statistics
        self._tracker = Tracker(tracking, keep_points=False)
        self.analyzer = FrameAnalyzer(detector, tracking)
        """Analyses the frames; it may run ahead of ``follow`` in another thread."""
        self._people: dict[int, _Person] = {}  # by key of the track
        self._waiting: list[Window] = []
        self._frames = 0
        self._seconds = -math.inf
        self._canvas = canvas
        self._ended: list[_EndedTrack] = []
        self._results: defaultdict[int, WindowRecorder] = defaultdict(lambda: WindowRecorder(len(reader.classes)))
        self.shot_boundaries_seconds: list[float] = []
        """Times of the first frames of new shots, if tracks are kept."""
        self.in_sight: list[Track] = []
        """The active tracks; a track with id 0 is not confirmed yet. Boxes are in pixels of the first frame, into which
        frames of other sizes are fitted: ``ifdd.video.fitting``."""

    @property
    def latency_seconds(self) -> float:
        """Time from the middle of a window to its result: half a window.

        A window is classified at the frame that fills it. While a face is not detected, its windows wait until it is
        detected again or its track ends, at most ``tracking.gap_seconds`` later; those of a new face wait until its
        track is confirmed after ``tracking.minimum_seconds``. Computing time adds to this.
        """
        return self._reader.clip_seconds / 2

    def read(self, image: np.ndarray, seconds: float) -> list[TimelineEntry]:
        """Process the next frame and return the results of the windows that it filled.

        Args:
            image: RGB, height x width x 3 of 8 bits. The size may change; another aspect ratio begins a shot.
            seconds: its time, not before that of the previous frame; results use the same clock.

        Raises:
            InputError: the image has another format, or the time is before that of the previous frame. The
                frame is then ignored, and the stream may continue.
        """
        _check_format(image)
        self._check_time(seconds)
        return self.read_windows(self.follow(image, seconds, self.analyzer.analyze(image, seconds)))

    def follow(
        self, image: UInt8[np.ndarray, "height width 3"], seconds: float, analysis: FrameAnalysis
    ) -> list[Window]:
        """Do the first half of ``read``: track the faces of an analysed frame, and return a batch of windows, or none.

        Args:
            image: RGB.
            seconds: its time.
            analysis: the result of ``analyzer`` for it.

        Raises:
            InputError: the time is before that of the previous frame.
        """
        self._check_time(seconds)
        self._seconds = seconds
        if analysis.boundary and self._keep_tracks:
            self.shot_boundaries_seconds.append(seconds)
        fit, faces, shown = self._fitted(image, analysis.faces)
        update = self._tracker.update(self._frames, seconds, faces, analysis.boundary, shown)
        for track in update.ended:
            self._end(track)
        added = {track.key: self._add_face(track, image, fit, seconds) for track in update.active}
        self._people = {track.key: self._people[track.key] for track in update.active}
        if self._keep_tracks:
            for key, points in update.settled.items():
                self._people[key].boxes.add(points)
        if self._statistics is not None:
            faces, boundary, change = analysis
            qualities = {key: frame.quality.score for key, frame in added.items()}
            self._statistics.add(self._frames, seconds, change, boundary, faces, update.active, qualities)
        self._frames += 1
        self.in_sight = update.active
        return self._take_windows() if len(self._waiting) >= self._least_windows else []

    def read_windows(self, windows: Sequence[Window]) -> list[TimelineEntry]:
        """Do the second half of ``read``: run the model on windows."""
        readings = self._reader.predict([window.clip for window in windows])
        rows = zip(windows, readings.probabilities.tolist(), readings.action_units.tolist(), strict=True)
        entries = [
            TimelineEntry(
                window.track,
                window.start_seconds,
                window.end_seconds,
                tuple(probabilities),
                window.quality,
                window.flaw,
                tuple(units),
            )
            for window, probabilities, units in rows
        ]
        if self._keep_tracks:
            for entry in entries:
                self._results[entry.track].add(entry)
        return entries

    def finish(self, end_seconds: float) -> list[TimelineEntry]:
        """End all tracks and return the results of the remaining windows.

        Args:
            end_seconds: the end of the last frame.
        """
        return self.read_windows(self.take_rest(end_seconds))

    def take_rest(self, end_seconds: float) -> list[Window]:
        """Do the first half of ``finish``: end all tracks, and return the remaining windows."""
        for track in self._tracker.finish(end_seconds):
            self._end(track)
        self.in_sight = []
        return self._take_windows()

    def tracks(self) -> tuple[RecognizedTrack, ...]:
        """Return the tracks that have ended, by id, if tracks are kept."""
        return tuple(self._track(ended) for ended in sorted(self._ended, key=lambda one: one.id))

    @property
    def turns(self) -> dict[int, int]:
        """Id of a track that has ended -> how far its face is turned, to the nearest 90 degrees, if tracks are kept."""
        return {ended.id: ended.turn for ended in self._ended}

    def _track(self, ended: _EndedTrack) -> RecognizedTrack:
        windows = self._results[ended.id].windows()
        return RecognizedTrack(
            ended.id,
            ended.start_seconds,
            ended.end_seconds,
            ended.boxes,
            windows,
            self._options.segments(ended.id, windows, self._reader.classes),
        )

    def _fitted(
        self, image: UInt8[np.ndarray, "height width 3"], faces: list[FaceBox] | None
    ) -> tuple[Fit, list[FaceBox] | None, UInt8[np.ndarray, "_ _ 3"]]:
        """Return where an image lies in the first frame, and its faces and the image there, for the tracker."""
        size = (image.shape[1], image.shape[0])
        self._canvas = self._canvas or size
        fit = fit_into(size, self._canvas)
        if fit == SAME or faces is None:
            return fit, faces, image
        return fit, [face.placed(fit) for face in faces], letterbox(image, self._canvas)

    def _add_face(
        self, track: Track, image: UInt8[np.ndarray, "height width 3"], fit: Fit, seconds: float
    ) -> FaceFrame:
        """Add a face to its track, queue the track's full windows, and return the face."""
        if track.key not in self._people:
            windows = TrackWindows(track.start_seconds, self._reader, self._detector, self._options)
            self._people[track.key] = _Person(windows)
        windows = self._people[track.key].windows
        frame = windows.add(image, track.box.placed(fit.inverse), seconds, track.last_visible_seconds)
        if track.id:
            self._waiting += windows.take_full(track.id, track.last_visible_seconds)
        return frame

    def _end(self, track: Track) -> None:
        """Queue the remaining windows of a track that ended."""
        person = self._people.pop(track.key)
        if self._statistics is not None:
            self._statistics.identify(track)
        self._waiting += person.windows.take_rest(track.id, track.end_seconds)
        if self._keep_tracks:
            person.boxes.add(track.points)
            boxes, turn = person.boxes.boxes(), round(track.box.turn / 90) % 4 * 90
            self._ended.append(_EndedTrack(track.id, track.start_seconds, track.end_seconds, boxes, turn))

    def _take_windows(self) -> list[Window]:
        windows, self._waiting = self._waiting, []
        return windows

    def _check_time(self, seconds: float) -> None:
        if not self._seconds <= seconds < math.inf:  # nor NaN
            raise InputError(f"a frame at {seconds} s follows one at {self._seconds} s; give frames in order of time")


def _check_format(image: np.ndarray) -> None:
    if not (image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0):
        raise InputError(
            "a frame of a stream has height x width x 3 values of uint8, given "
            f"{' x '.join(map(str, image.shape))} of {image.dtype}; convert it"
        )
