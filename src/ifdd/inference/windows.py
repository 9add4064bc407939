"""From the frames of one track to windows: face crops are kept for about one clip, until their windows are full."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError, check_range
from ifdd.faces.alignment import face_aligner
from ifdd.faces.boxes import FaceBox, crop_square, wrap_degrees
from ifdd.faces.detection import FaceDetector
from ifdd.faces.landmarks import LARGEST_ROLL
from ifdd.faces.quality import FLAWLESS_QUALITY, FaceQuality, TrackQuality, judge
from ifdd.faces.stillness import Stillness
from ifdd.inference.reader import ClipReader
from ifdd.inference.results import Segment, Windows
from ifdd.inference.segments import find_segments, frames_in_window, last_window
from ifdd.video.timestamps import TIME_TOLERANCE


@dataclass(frozen=True)
class WindowOptions:
    """How windows slide over a track, and how their probabilities become segments.

    Raises:
        InputError: a value is outside its range.
    """

    stride_seconds: float | None = None
    """Time from one window to the next; by default a quarter of a clip."""
    minimum_segment_seconds: float = 0.5
    """Shortest segment; shorter ones are merged into a neighbour."""
    minimum_probability: float | None = None
    """Segments in which no class is at least this probable, 0 to 1, are "uncertain"; by default the threshold of the
    checkpoint's calibration, and 0 without one."""
    minimum_quality: float = 0.2
    """Segments in which the face quality is lower than this, 0 to 1, are "uncertain"."""
    upright: bool = True
    """Rotate faces until the line through their eyes is level, if the detector finds eyes. Faces that the checkpoint
    wants aligned by landmarks are always upright."""
    flip: bool = False
    """Average the probabilities of each window and of its mirror image; takes twice as long."""
    batch_size: int = 8
    """Windows per batch."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("windows.stride_seconds", self.stride_seconds, above=0)
        check_range("windows.minimum_segment_seconds", self.minimum_segment_seconds, at_least=0)
        check_range("windows.minimum_probability", self.minimum_probability, at_least=0, at_most=1)
        check_range("windows.minimum_quality", self.minimum_quality, at_least=0, at_most=1)
        check_range("windows.batch_size", self.batch_size, at_least=1)

    def stride(self, clip_seconds: float) -> float:
        """Return the time from one window to the next for clips of this length.

        Raises:
            InputError: it is longer than a clip and would leave gaps between windows.
        """
        stride = self.stride_seconds or clip_seconds / 4
        if stride > clip_seconds:
            raise InputError(
                f"windows.stride_seconds is {stride}, which leaves gaps between this checkpoint's clips of "
                f"{clip_seconds} s; choose at most that"
            )
        return stride

    def segments(self, track: int, windows: Windows, classes: Sequence[str]) -> tuple[Segment, ...]:
        """Return the segments of a track, as ``find_segments``."""
        least = self.minimum_segment_seconds, self.minimum_probability or 0.0, self.minimum_quality
        return tuple(find_segments(track, windows, classes, *least))


class Window(NamedTuple):
    """A clip of one track, for the model."""

    track: int
    """Id of the track."""
    start_seconds: float
    end_seconds: float
    clip: UInt8[np.ndarray, "frames size size 3"]
    """RGB; read-only, because all frames may share the memory of one image."""
    quality: float
    """Quality of the face, 0 to 1."""
    flaw: str
    """What lowers the quality most; "" if it is high enough."""


class TrackWindows:
    """Collects the frames of one track and returns its windows as they fill.

    Args:
        start_seconds: time of the track's first frame.
        reader: determines frames, size, alignment and duration of a clip.
        detector: detects landmarks, to align faces.
        options: how windows slide.
    """

    def __init__(
        self, start_seconds: float, reader: ClipReader, detector: FaceDetector, options: WindowOptions
    ) -> None:
        self._reader = reader
        self._stride_seconds = options.stride(reader.clip_seconds)
        self._flawless = max(FLAWLESS_QUALITY, options.minimum_quality)
        self._start_seconds = start_seconds
        self._next_start = start_seconds
        self._covered = start_seconds
        self._aligner = face_aligner(reader.alignment, detector, options.upright)
        self._quality = TrackQuality()
        self._seconds: deque[float] = deque()
        self._crops: deque[UInt8[np.ndarray, "size size 3"]] = deque()
        self._qualities: deque[FaceQuality] = deque()
        self._turns: deque[float] = deque()
        self._stillness = Stillness()

    def __len__(self) -> int:
        return len(self._crops)

    def add(
        self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float, last_visible_seconds: float
    ) -> FaceQuality:
        """Crop the face in the next frame and return its quality; drop the crops that no window needs any more.

        Args:
            image: RGB.
            box: the face.
            seconds: time of the frame.
            last_visible_seconds: ``Track.last_visible_seconds``; the track may end there.
        """
        square = self._aligner.update(image, box, seconds)
        crop = crop_square(image, square, self._reader.size)
        quality = self._quality.update(crop, box, square)
        self._seconds.append(seconds)
        self._crops.append(crop)
        self._qualities.append(quality)
        self._turns.append(box.turn)
        oldest = min(self._next_start, last_visible_seconds - self._reader.clip_seconds)
        while len(self._seconds) > 1 and self._seconds[1] <= oldest:
            self._seconds.popleft()
            self._crops.popleft()
            self._qualities.popleft()
            self._turns.popleft()
        return quality

    def take_full(self, track: int, until_seconds: float) -> list[Window]:
        """Return the windows that end by a given time and were not returned before."""
        windows = []
        while self._next_start + self._reader.clip_seconds <= until_seconds + TIME_TOLERANCE:
            self._covered = self._next_start + self._reader.clip_seconds
            windows.append(self._window(track, self._next_start, self._covered))
            self._next_start += self._stride_seconds
        return windows

    def take_rest(self, track: int, end_seconds: float) -> list[Window]:
        """Return the remaining windows of a track that has ended."""
        windows = self.take_full(track, end_seconds)
        rest = last_window(self._start_seconds, self._covered, end_seconds, self._reader.clip_seconds)
        return windows if rest is None else [*windows, self._window(track, *rest)]

    def _window(self, track: int, start_seconds: float, end_seconds: float) -> Window:
        count = self._reader.frames
        positions = frames_in_window(self._seconds, start_seconds, end_seconds, count)
        crops = [self._crops[position] for position in positions.tolist()]
        still = positions[0] == positions[-1]  # one image may fill thousands of windows: do not copy it
        clip = np.broadcast_to(crops[0], (count, *crops[0].shape)) if still else np.stack(crops)
        qualities = [self._settled_quality(position) for position in positions.tolist()]
        pictures = np.unique(positions).tolist()
        frozen = len(pictures) > 1 and self._stillness.is_still([self._crops[position] for position in pictures])
        quality, flaw = judge(qualities, len(pictures), self._flawless, still=frozen)
        return Window(track, start_seconds, end_seconds, clip, quality, flaw)

    def _settled_quality(self, position: int) -> FaceQuality:
        """Return the quality of a frame; its crop is the wrong way up if the turn was corrected since."""
        quality, turn = self._qualities[position], self._turns[position]
        return quality if abs(wrap_degrees(turn - self._turns[-1])) <= LARGEST_ROLL else quality._replace(turn=0.0)
