"""Reading the frames of a video as they come: faces found and followed, their crops, and the windows that they fill.

Crops are kept for about one window of each person, so memory does not grow with the length of the video.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ifdd.errors import InputError
from ifdd.faces.alignment import HeadRoll
from ifdd.faces.detection import FaceBox, FaceDetector, crop_face
from ifdd.faces.quality import FLAWLESS_QUALITY, FaceQuality, TrackQuality, judge
from ifdd.faces.tracking import SearchTurns, Track, Tracker, TrackingOptions
from ifdd.inference.boxes import BoxRecorder
from ifdd.inference.recognition import RecognizedTrack
from ifdd.inference.segments import TimelineEntry, frames_in_window, last_window
from ifdd.video.shots import ShotBoundaryDetector
from ifdd.video.timestamps import TIME_TOLERANCE


@dataclass(frozen=True)
class WindowOptions:
    """How windows slide over a track, and how their readings become segments.

    Raises:
        InputError: a value is outside its range.
    """

    stride_seconds: float | None = None
    """Time from one window to the next; a quarter of the clip when none is given."""
    minimum_segment_seconds: float = 0.5
    """Shortest segment; shorter ones are given to a neighbour."""
    minimum_probability: float = 0.0
    """Where no class is as probable as this, 0 to 1, the segment's label is "uncertain"."""
    minimum_quality: float = 0.2
    """Where the face can be read less well than this, 0 to 1, the segment's label is "uncertain"."""
    upright: bool = True
    """Turn faces upright by the line through their eyes, where the detector finds eyes."""
    flip: bool = False
    """Read each window a second time with left and right exchanged, and take the mean."""
    batch_size: int = 8
    """Windows that go through the model together."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.stride_seconds is not None and not self.stride_seconds > 0:
            raise InputError(f"reading.stride_seconds must be above 0, given {self.stride_seconds}")
        if not self.minimum_segment_seconds >= 0:
            raise InputError(f"reading.minimum_segment_seconds must be 0 or more, given {self.minimum_segment_seconds}")
        for name in ("minimum_probability", "minimum_quality"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"reading.{name} must be 0 to 1, given {getattr(self, name)}")
        if self.batch_size < 1:
            raise InputError(f"reading.batch_size must be at least 1, given {self.batch_size}")


@runtime_checkable
class ClipReader(Protocol):
    """What reads clips, and how; the ``Recognizer`` is one."""

    detector: FaceDetector
    tracking: TrackingOptions
    reading: WindowOptions
    clip_seconds: float
    stride_seconds: float

    @property
    def frames(self) -> int:
        """Frames of a clip."""

    @property
    def size(self) -> int:
        """Side of a clip in pixels."""

    def read_clips(self, clips: UInt8[np.ndarray, "clips frames height width 3"]) -> Float[Tensor, "clips classes"]:
        """Return the class probabilities of RGB clips of this length and size."""


class Sighting(NamedTuple):
    """What is seen in one frame alone."""

    faces: list[FaceBox] | None
    """The faces; None if it was not this frame's turn to be searched."""
    cut: bool
    """Whether a shot begins."""


class Watcher:
    """Appearance at each frame for cuts, and at those whose turn it is for faces.

    Args:
        detector: what finds faces.
        tracking: which frames are searched, and what a cut is.
    """

    def __init__(self, detector: FaceDetector, tracking: TrackingOptions) -> None:
        self._detector = detector
        self._cuts = ShotBoundaryDetector(tracking.shot_threshold)
        self._turns = SearchTurns(tracking.detect_every)

    def look(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> Sighting:
        """Look at the next frame (RGB, its time)."""
        cut = self._cuts.is_boundary(image, seconds)
        return Sighting(self._detector.detect(image) if self._turns.is_turn(seconds, cut) else None, cut)


class Window(NamedTuple):
    """A clip that waits for the model."""

    track: int
    """Number of the person."""
    start_seconds: float
    end_seconds: float
    clip: UInt8[np.ndarray, "frames size size 3"]
    """RGB; not to be written to, because its frames may be one and the same."""
    quality: float
    """How well the face can be read in it."""
    flaw: str
    """What is worst about it."""


@dataclass
class _Crops:
    """The newest crops of one track, how far its windows have come, and where it was."""

    track: Track
    """Kept here, so that no other track can have its identity."""
    next_start: float
    """Time at which the next window starts."""
    covered: float
    """Time up to which windows were read."""
    roll: HeadRoll
    seconds: deque[float] = field(default_factory=deque)
    """Times of the crops."""
    images: deque[UInt8[np.ndarray, "size size 3"]] = field(default_factory=deque)
    qualities: deque[FaceQuality] = field(default_factory=deque)
    quality: TrackQuality = field(default_factory=TrackQuality)
    """Measures the qualities."""
    boxes: BoxRecorder = field(default_factory=BoxRecorder)


class Stream:
    """Reads the frames of a video as they come, in memory that does not grow with their number.

    Args:
        reader: the model, and how it reads.
        batch_size: windows that wait for each other; those of one frame are always read together.
        keep_tracks: keep every box of every person, the people who left, and the times of cuts.
    """

    def __init__(self, reader: ClipReader, batch_size: int = 1, keep_tracks: bool = False) -> None:
        self._reader = reader
        self._batch_size = batch_size
        self._keep_tracks = keep_tracks
        self._tracker = Tracker(reader.tracking)
        self.watcher = Watcher(reader.detector, reader.tracking)
        """Appearance at the frames, and may do so ahead of ``follow`` in another thread."""
        self._crops: dict[int, _Crops] = {}  # by identity of the track: it has no number at first
        self._waiting: list[Window] = []
        self._frames = 0
        self._seconds = -math.inf
        self._shape: tuple[int, ...] | None = None
        self.tracks: list[RecognizedTrack] = []
        """The people whose tracks ended, if they are kept."""
        self.cuts_seconds: list[float] = []
        """Times of the first frames after a cut, if they are kept."""
        self.in_sight: list[Track] = []
        """The people in the newest frame; number 0: not yet sure."""

    @property
    def latency_seconds(self) -> float:
        """How long after the middle of its window a reading is given: half a window.

        A window full of a face is read in the frame that fills it. While the face is hidden, the reading waits until it
        is seen again or given up, at most ``tracking.gap_seconds`` later; a new face waits for
        ``tracking.minimum_seconds`` at first. The time that the computer takes comes on top.
        """
        return self._reader.clip_seconds / 2

    def read(self, image: np.ndarray, seconds: float) -> list[TimelineEntry]:
        """Take in the next frame and return what was read in the windows that it filled.

        Args:
            image: RGB, height x width x 3 of 8 bits, of one size throughout.
            seconds: its time, not before that of the frame before; the readings are on this clock.

        Raises:
            InputError: the frame is no such image, or earlier than the one before; it is as if it had not been given.
        """
        self._refuse_shape(image)
        self._refuse_time(seconds)
        self._shape = image.shape
        return self.read_windows(self.follow(image, seconds, self.watcher.look(image, seconds)))

    def follow(self, image: UInt8[np.ndarray, "height width 3"], seconds: float, sighting: Sighting) -> list[Window]:
        """Do the first half of ``read``: take in a frame that was looked at, and return a batch of windows, or none.

        Args:
            image: RGB.
            seconds: its time.
            sighting: what its ``Watcher`` saw in it.

        Raises:
            InputError: the frame is earlier than the one before.
        """
        self._refuse_time(seconds)
        self._seconds = seconds
        if sighting.cut and self._keep_tracks:
            self.cuts_seconds.append(seconds)
        update = self._tracker.update(self._frames, seconds, sighting.faces, sighting.cut, image)
        self._frames += 1
        for track in update.ended:
            self._end(track)
        for track in update.active:
            self._add_crop(track, image)
            if track.id:
                self._read_full_windows(track, track.last_seen_seconds)
            if self._keep_tracks:
                self._crops[id(track)].boxes.add(track.points[1 : track.last_seen])
            track.forget()
        alive = {id(track) for track in update.active}
        self._crops = {key: crops for key, crops in self._crops.items() if key in alive}
        self.in_sight = update.active
        return self._take_windows() if len(self._waiting) >= self._batch_size else []

    def _refuse_shape(self, image: np.ndarray) -> None:
        good = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0
        if not good or self._shape not in (None, image.shape):
            height, width, _ = self._shape or ("height", "width", 3)
            raise InputError(
                f"a frame of this stream has {height} x {width} x 3 values of uint8, given "
                f"{' x '.join(map(str, image.shape))} of {image.dtype}; convert it, or take another stream"
            )

    def _refuse_time(self, seconds: float) -> None:
        if not self._seconds <= seconds < math.inf:  # nor NaN
            raise InputError(f"a frame at {seconds} s follows one at {self._seconds} s; give frames in order of time")

    def finish(self, end_seconds: float) -> list[TimelineEntry]:
        """End all tracks and return what is left to be read.

        Args:
            end_seconds: the end of the last frame.
        """
        for track in self._tracker.finish(end_seconds):
            self._end(track)
        self.in_sight = []
        return self.read_windows(self._take_windows())

    def _add_crop(self, track: Track, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Keep the newest crop, and forget those that no window can need any more."""
        reader, seconds, start = self._reader, track.points[-1].seconds, track.start_seconds
        if id(track) not in self._crops:
            self._crops[id(track)] = _Crops(track, start, start, HeadRoll(reader.detector))
            self._crops[id(track)].boxes.add(track.points[:1])
        crops = self._crops[id(track)]
        roll = crops.roll.update(image, track.box, seconds) if reader.reading.upright else 0.0
        crops.seconds.append(seconds)
        crops.images.append(crop_face(image, track.box, reader.size, roll))
        crops.qualities.append(crops.quality.update(crops.images[-1], track.box))
        oldest = min(crops.next_start, track.last_seen_seconds - self._reader.clip_seconds)
        while len(crops.seconds) > 1 and crops.seconds[1] <= oldest:
            crops.seconds.popleft()
            crops.images.popleft()
            crops.qualities.popleft()

    def _read_full_windows(self, track: Track, until_seconds: float) -> None:
        crops = self._crops[id(track)]
        while crops.next_start + self._reader.clip_seconds <= until_seconds + TIME_TOLERANCE:
            crops.covered = crops.next_start + self._reader.clip_seconds
            self._queue(track, crops.next_start, crops.covered)
            crops.next_start += self._reader.stride_seconds

    def _end(self, track: Track) -> None:
        """Read what is left of a track that ended."""
        self._read_full_windows(track, track.end_seconds)
        crops = self._crops[id(track)]
        rest = last_window(track.start_seconds, crops.covered, track.end_seconds, self._reader.clip_seconds)
        if rest is not None:
            self._queue(track, *rest)
        if self._keep_tracks:
            crops.boxes.add(track.points[1:])
            self.tracks.append(RecognizedTrack(track.id, track.start_seconds, track.end_seconds, crops.boxes.boxes()))
        del self._crops[id(track)]

    def _queue(self, track: Track, start_seconds: float, end_seconds: float) -> None:
        crops = self._crops[id(track)]
        count = self._reader.frames
        positions = frames_in_window(crops.seconds, start_seconds, end_seconds, count)
        images = [crops.images[position] for position in positions]
        still = positions[0] == positions[-1]  # one picture may be on screen for thousands of windows: it is not copied
        clip = np.broadcast_to(images[0], (count, *images[0].shape)) if still else np.stack(images)
        qualities = [crops.qualities[position] for position in positions]
        pictures = len(np.unique(positions))
        score, flaw = judge(qualities, pictures, max(FLAWLESS_QUALITY, self._reader.reading.minimum_quality))
        self._waiting.append(Window(track.id, start_seconds, end_seconds, clip, score, flaw))

    def _take_windows(self) -> list[Window]:
        windows, self._waiting = self._waiting, []
        return windows

    def read_windows(self, windows: Sequence[Window]) -> list[TimelineEntry]:
        """Do the second half of ``read``: return what the model reads in windows, at most a batch at a time."""
        size = self._reader.reading.batch_size
        entries = []
        for batch in (windows[first : first + size] for first in range(0, len(windows), size)):
            probabilities = self._reader.read_clips(np.stack([window.clip for window in batch]))
            entries += [
                TimelineEntry(
                    window.track, window.start_seconds, window.end_seconds, tuple(row), window.quality, window.flaw
                )
                for window, row in zip(batch, probabilities.tolist(), strict=True)
            ]
        return entries
