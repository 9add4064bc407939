"""From the frames of one track to windows: face crops are kept for about one clip, until their windows are full."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError, check_range
from ifdd.faces.alignment import face_aligner
from ifdd.faces.boxes import CropSquare, FaceBox, crop_square, cut_square, wrap_degrees
from ifdd.faces.detection import FaceDetector
from ifdd.faces.landmarks import LARGEST_ROLL
from ifdd.faces.quality import FLAWLESS_QUALITY, FaceQuality, TrackQuality, frame_quality, judge
from ifdd.faces.stillness import Stillness
from ifdd.inference.reader import CLIPS_PER_BATCH, ClipReader
from ifdd.inference.results import Segment, Windows
from ifdd.inference.segments import find_segments, frames_in_window, last_window
from ifdd.model import Precision
from ifdd.video.timestamps import TIME_TOLERANCE

SHORTEST_STRIDE = 0.001
"""Shortest time from one window to the next, in seconds: less than between two frames of a high-speed camera."""


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
    class_weights: dict[str, float] = field(default_factory=dict, hash=False)
    """Class -> factor for its probability, such as {disgust: 0.2, neutral: 2}, if you know how often expressions occur
    in your videos; the model expects each about as often as in its training. 0 leaves a class out."""
    batch_size: int = CLIPS_PER_BATCH
    """Windows per batch. On a CPU, more of them need more memory and save no time."""
    precision: Precision = "32-true"
    """Floating-point precision of the model: 32-true, or bf16-mixed, which is faster on GPUs and on processors with
    instructions for bfloat16, and changes probabilities in the third digit."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("windows.stride_seconds", self.stride_seconds, at_least=SHORTEST_STRIDE)
        check_range("windows.minimum_segment_seconds", self.minimum_segment_seconds, at_least=0)
        check_range("windows.minimum_probability", self.minimum_probability, at_least=0, at_most=1)
        check_range("windows.minimum_quality", self.minimum_quality, at_least=0, at_most=1)
        for name, weight in self.class_weights.items():
            check_range(f"windows.class_weights {name}", weight, at_least=0, below=math.inf)
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


LARGEST_CUT = 320.0
"""Side in pixels up to which the part of an image is kept, to be cropped only if a window takes it: some 300 kB a frame
and face at most."""


class FaceFrame:
    """A face in one frame. It is cropped and judged when a window takes it: many frames are in none.

    Args:
        image: RGB; the part that shows the face is copied.
        square: the square to crop.
        size: side of the crop in pixels.
        box: the face.
        pose: of the head; see ``TrackQuality.pose``.
        seconds: time of the frame.
    """

    def __init__(
        self,
        image: UInt8[np.ndarray, "height width 3"],
        square: CropSquare,
        size: int,
        box: FaceBox,
        pose: float,
        seconds: float,
    ) -> None:
        self.seconds = seconds
        self.turn = box.turn
        self._square, self._size, self._box, self._pose = square, size, box, pose
        self._part: tuple[UInt8[np.ndarray, "_ _ 3"], CropSquare] | None = image, square
        if square.side > LARGEST_CUT:
            _ = self.crop  # smaller than the part
        else:
            self._part = cut_square(image, square)

    @cached_property
    def crop(self) -> UInt8[np.ndarray, "size size 3"]:
        """The model's crop of the face, RGB."""
        assert self._part is not None  # only this property, which is computed once, clears it
        crop = crop_square(*self._part, self._size)
        self._part = None
        return crop

    @cached_property
    def quality(self) -> FaceQuality:
        """The quality of the face."""
        return frame_quality(self.crop, self._box, self._square, self._pose)


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
        self._frames: deque[FaceFrame] = deque()
        self._stillness = Stillness()

    def __len__(self) -> int:
        return len(self._frames)

    def add(
        self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float, last_visible_seconds: float
    ) -> FaceFrame:
        """Add the face in the next frame and return it; drop the frames that no window needs any more.

        Args:
            image: RGB.
            box: the face.
            seconds: time of the frame.
            last_visible_seconds: ``Track.last_visible_seconds``; the track may end there.
        """
        square = self._aligner.update(image, box, seconds)
        frame = FaceFrame(image, square, self._reader.size, box, self._quality.pose(box), seconds)
        self._frames.append(frame)
        oldest = min(self._next_start, last_visible_seconds - self._reader.clip_seconds)
        while len(self._frames) > 1 and self._frames[1].seconds <= oldest:
            self._frames.popleft()
        return frame

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
        positions = frames_in_window([frame.seconds for frame in self._frames], start_seconds, end_seconds, count)
        frames = [self._frames[position] for position in positions.tolist()]
        first = frames[0].crop
        still = positions[0] == positions[-1]  # one image may fill thousands of windows: do not copy it
        clip = np.broadcast_to(first, (count, *first.shape)) if still else np.stack([frame.crop for frame in frames])
        pictures = [self._frames[position].crop for position in np.unique(positions).tolist()]
        frozen = len(pictures) > 1 and self._stillness.is_still(pictures)
        qualities = [self._settled_quality(frame) for frame in frames]
        quality, flaw = judge(qualities, len(pictures), self._flawless, still=frozen)
        return Window(track, start_seconds, end_seconds, clip, quality, flaw)

    def _settled_quality(self, frame: FaceFrame) -> FaceQuality:
        """Return the quality of a frame; its crop is the wrong way up if the turn was corrected since."""
        is_settled = abs(wrap_degrees(frame.turn - self._frames[-1].turn)) <= LARGEST_ROLL
        return frame.quality if is_settled else frame.quality._replace(turn=0.0)
