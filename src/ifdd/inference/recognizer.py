"""The Recognizer: from the frames of a video to the expressions of its people over time.

Frames stream through: faces are found and followed, their crops kept for about one window each, and every full
window goes through the model. Memory does not grow with the length of the video, apart from the results.
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ifdd.data.faces import FaceBox, FaceDetector, HaarDetector, crop_face
from ifdd.data.sources import SourceOptions, VideoSource, open_video
from ifdd.data.tracking import CutDetector, Track, Tracker, TrackingOptions
from ifdd.data.video import VideoInfo
from ifdd.errors import InputError
from ifdd.inference.alignment import HeadTilt
from ifdd.inference.recognition import Recognition, RecognizedTrack, RecognizedVideo
from ifdd.inference.timeline import CLOCK, TimelineEntry, find_segments, frames_in_window, last_window
from ifdd.model import PRESETS, Checkpoint, IFDDConfig, load_checkpoint


@dataclass(frozen=True)
class ReadingOptions:
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
        if not 0 <= self.minimum_probability <= 1:
            raise InputError(f"reading.minimum_probability must be 0 to 1, given {self.minimum_probability}")
        if self.batch_size < 1:
            raise InputError(f"reading.batch_size must be at least 1, given {self.batch_size}")


class Recognizer:
    """Recognises the expressions of the people in videos.

    Args:
        checkpoint: model, class names and clip length.
        detector: what finds faces; the Haar cascade when None.
        tracking: when tracks begin and end.
        reading: how windows slide, and how segments are made.
        device: where the model runs.
        origin: where the checkpoint comes from, for the results' "model" entry.

    Raises:
        InputError: the stride is longer than a clip, so that parts of the video would not be read.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        detector: FaceDetector | None = None,
        tracking: TrackingOptions | None = None,
        reading: ReadingOptions | None = None,
        device: str | torch.device = "cpu",
        origin: dict[str, Any] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = checkpoint.model.to(self.device).eval()
        self.classes = checkpoint.classes
        self.clip_seconds = checkpoint.clip_seconds
        self.detector = detector or HaarDetector()
        self.tracking = tracking or TrackingOptions()
        self.reading = reading or ReadingOptions()
        self.stride_seconds = self.reading.stride_seconds or self.clip_seconds / 4
        if self.stride_seconds > self.clip_seconds:
            raise InputError(
                f"reading.stride_seconds {self.stride_seconds} is longer than this checkpoint's clips "
                f"({self.clip_seconds} s) and would leave gaps; choose at most that"
            )
        self.description = _describe(checkpoint, self.detector.name, origin or {})

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        detector: FaceDetector | None = None,
        tracking: TrackingOptions | None = None,
        reading: ReadingOptions | None = None,
        device: str | torch.device = "cpu",
    ) -> "Recognizer":
        """Build a recogniser from a checkpoint file.

        Args:
            path: a .safetensors file written by ``ifdd train``.
            detector: what finds faces; the Haar cascade when None.
            tracking: when tracks begin and end.
            reading: how windows slide, and how segments are made.
            device: where the model runs.

        Raises:
            InputError: the checkpoint is missing, unreadable or of another model; or as the class says.
        """
        checkpoint = load_checkpoint(path)
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        origin = {"checkpoint": Path(path).name, "checkpoint_sha256": digest}
        return cls(checkpoint, detector, tracking, reading, device, origin)

    @property
    def trained_on_synthetic_faces(self) -> bool:
        """Whether the checkpoint says that it has seen drawn faces only."""
        return "notice" in self.description

    def recognize(
        self,
        video: str | Path | VideoSource,
        on_frame: Callable[[int, int | None], None] | None = None,
        source: SourceOptions | None = None,
    ) -> Recognition:
        """Read the expressions of all people in a video, in one pass. What is damaged is passed over and counted.

        Args:
            video: a file of any kind that FFmpeg reads, a folder of numbered images, an address, ``-`` for standard
                input, ``camera:0``; or what ``open_video`` gave for one of them.
            on_frame: called after every frame with the number of frames done and about how many there are, None where
                nobody knows.
            source: how the video is opened; not for one that is open.

        Raises:
            InputError: the video is missing, unreadable or empty.
        """
        opened = video if isinstance(video, VideoSource) else open_video(video, source)
        stream = Stream(self, self.reading.batch_size, keep_tracks=True)
        zero: float | None = None
        timeline: list[TimelineEntry] = []
        for frame in opened:
            zero = frame.seconds if zero is None else zero
            timeline += stream.read(frame.image, frame.seconds - zero)
            if on_frame is not None:
                on_frame(frame.index + 1, opened.expected_frames)
        info = opened.info()
        timeline += stream.finish(info.duration_seconds)
        return self._put_together(info, stream, timeline)

    def stream(self) -> "Stream":
        """Return what reads frames as they come; each reading is given as soon as its window is full."""
        return Stream(self)

    def _put_together(self, info: VideoInfo, stream: "Stream", timeline: list[TimelineEntry]) -> Recognition:
        tracks = sorted(stream.tracks, key=lambda track: track.id)
        by_track = {track.id: [entry for entry in timeline if entry.track == track.id] for track in tracks}
        shortest, least = self.reading.minimum_segment_seconds, self.reading.minimum_probability
        return Recognition(
            video=RecognizedVideo(
                str(info.path), info.duration_seconds, info.frames, info.fps, info.damaged, info.notices
            ),
            model=self.description,
            classes=self.classes,
            tracks=tuple(
                RecognizedTrack(track.id, track.start_seconds, track.end_seconds, tuple(track.points))
                for track in tracks
            ),
            timeline=tuple(sorted(timeline, key=lambda entry: (entry.start_seconds, entry.track))),
            segments=tuple(
                segment
                for entries in by_track.values()
                for segment in find_segments(entries, self.classes, shortest, least)
            ),
            cuts_seconds=tuple(stream.cuts_seconds),
        )

    @torch.inference_mode()
    def read_clips(self, clips: UInt8[np.ndarray, "clips frames height width 3"]) -> Float[Tensor, "clips classes"]:
        """Return the class probabilities of RGB clips of the model's length and size."""
        batch = torch.from_numpy(clips).to(self.device).permute(0, 4, 1, 2, 3).float() / 255
        probabilities = self.model(batch).logits.softmax(-1)
        if self.reading.flip:
            probabilities = (probabilities + self.model(batch.flip(-1)).logits.softmax(-1)) / 2
        return probabilities.cpu()


class _Window(NamedTuple):
    """A clip that waits for the model."""

    track: int
    start_seconds: float
    end_seconds: float
    clip: np.ndarray


@dataclass
class _Crops:
    """The newest crops of one track, and how far its windows have come."""

    next_start: float
    covered: float
    tilt: HeadTilt
    seconds: deque[float] = field(default_factory=deque)
    images: deque[np.ndarray] = field(default_factory=deque)


class Stream:
    """Reads the frames of a video as they come, in memory that does not grow with their number.

    Args:
        recognizer: the model, and how it reads.
        batch_size: windows that wait for each other; those of one frame are always read together.
        keep_tracks: keep every box of every person, the people who left, and the times of cuts.
    """

    def __init__(self, recognizer: Recognizer, batch_size: int = 1, keep_tracks: bool = False) -> None:
        self._recognizer = recognizer
        self._batch_size = batch_size
        self._keep_tracks = keep_tracks
        self._tracker = Tracker(recognizer.tracking)
        self._cuts = CutDetector(recognizer.tracking.cut_threshold)
        self._crops: dict[int, _Crops] = {}  # by identity of the track: it has no number at first
        self._waiting: list[_Window] = []
        self._frames = 0
        self._unsearched = 0
        self._seconds = -math.inf
        self.tracks: list[Track] = []
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
        return self._recognizer.clip_seconds / 2

    def read(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> list[TimelineEntry]:
        """Take in the next frame and return what was read in the windows that it filled.

        Args:
            image: RGB.
            seconds: its time, not before that of the frame before; the readings are on this clock.

        Raises:
            InputError: the frame is earlier than the one before.
        """
        if seconds < self._seconds:
            raise InputError(f"a frame at {seconds} s follows one at {self._seconds} s; give frames in order of time")
        self._seconds = seconds
        update = self._tracker.update(self._frames, seconds, *self._look(image))
        self._frames += 1
        for track in update.ended:
            self._end(track)
        for track in update.active:
            self._add_crop(track, image)
            if track.id:
                self._read_full_windows(track, track.last_seen_seconds)
            if not self._keep_tracks:
                track.forget()
        alive = {id(track) for track in update.active}
        self._crops = {key: crops for key, crops in self._crops.items() if key in alive}
        self.in_sight = update.active
        return self._run_model() if len(self._waiting) >= self._batch_size else []

    def finish(self, end_seconds: float) -> list[TimelineEntry]:
        """End all tracks and return what is left to be read.

        Args:
            end_seconds: the end of the last frame.
        """
        for track in self._tracker.finish(end_seconds):
            self._end(track)
        self.in_sight = []
        return self._run_model()

    def _look(self, image: UInt8[np.ndarray, "height width 3"]) -> tuple[list[FaceBox] | None, bool]:
        """Return the faces, None if it is not this frame's turn to be searched, and whether a shot begins."""
        cut = self._cuts.is_cut(image)
        if cut and self._keep_tracks:
            self.cuts_seconds.append(self._seconds)
        if self._unsearched > 0 and not cut:
            self._unsearched -= 1
            return None, cut
        self._unsearched = (self._recognizer.tracking.detect_every or 1) - 1
        return self._recognizer.detector.detect(image), cut

    def _add_crop(self, track: Track, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Keep the newest crop, and forget those that no window can need any more."""
        recognizer, seconds, start = self._recognizer, track.points[-1].seconds, track.start_seconds
        crops = self._crops.setdefault(id(track), _Crops(start, start, HeadTilt(recognizer.detector)))
        tilt = crops.tilt.update(image, track.box, seconds) if recognizer.reading.upright else 0.0
        crops.seconds.append(seconds)
        crops.images.append(crop_face(image, track.box, recognizer.model.config.size, tilt))
        oldest = min(crops.next_start, track.last_seen_seconds - self._recognizer.clip_seconds)
        while len(crops.seconds) > 1 and crops.seconds[1] <= oldest:
            crops.seconds.popleft()
            crops.images.popleft()

    def _read_full_windows(self, track: Track, until_seconds: float) -> None:
        crops = self._crops[id(track)]
        while crops.next_start + self._recognizer.clip_seconds <= until_seconds + CLOCK:
            crops.covered = crops.next_start + self._recognizer.clip_seconds
            self._queue(track, crops.next_start, crops.covered)
            crops.next_start += self._recognizer.stride_seconds

    def _end(self, track: Track) -> None:
        """Read what is left of a track that ended."""
        if self._keep_tracks:
            self.tracks.append(track)
        self._read_full_windows(track, track.end_seconds)
        covered = self._crops[id(track)].covered
        rest = last_window(track.start_seconds, covered, track.end_seconds, self._recognizer.clip_seconds)
        if rest is not None:
            self._queue(track, *rest)
        del self._crops[id(track)]

    def _queue(self, track: Track, start_seconds: float, end_seconds: float) -> None:
        crops = self._crops[id(track)]
        count = self._recognizer.model.config.frames
        positions = frames_in_window(crops.seconds, start_seconds, end_seconds, count)
        clip = np.stack([crops.images[position] for position in positions])
        self._waiting.append(_Window(track.id, start_seconds, end_seconds, clip))

    def _run_model(self) -> list[TimelineEntry]:
        """Read the windows that wait, at most a batch at a time."""
        size = self._recognizer.reading.batch_size
        entries = []
        for first in range(0, len(self._waiting), size):
            windows = self._waiting[first : first + size]
            probabilities = self._recognizer.read_clips(np.stack([window.clip for window in windows]))
            entries += [
                TimelineEntry(window.track, window.start_seconds, window.end_seconds, tuple(row))
                for window, row in zip(windows, probabilities.tolist(), strict=True)
            ]
        self._waiting.clear()
        return entries


def _describe(checkpoint: Checkpoint, detector: str, origin: dict[str, Any]) -> dict[str, Any]:
    """Return what the results say about the model."""
    config = checkpoint.model.config
    description: dict[str, Any] = {
        "name": checkpoint.description.get("preset") or _preset_name(config),
        "frames": config.frames,
        "size": config.size,
        "clip_seconds": checkpoint.clip_seconds,
        "classes": list(checkpoint.classes),
        **origin,
        "face_detector": detector,
        "description": checkpoint.description,
    }
    if checkpoint.description.get("synthetic"):
        description["notice"] = (
            "This model was trained on synthetic, drawn faces. On real people it is a demonstration; "
            "do not rely on what it says."
        )
    return description


def _preset_name(config: IFDDConfig) -> str:
    """Return the preset of the same backbone, or the backbone's name."""
    return next((name for name, preset in PRESETS.items() if preset.backbone == config.backbone), config.backbone)
