"""The Recognizer: from the frames of a video to the expressions of its people over time.

Frames stream through: faces are found and followed, their crops kept for about one window each, and every full
window goes through the model. Memory does not grow with the length of the video, apart from the results.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ifdd.data.faces import FaceDetector, HaarDetector, crop_face
from ifdd.data.tracking import CutDetector, Track, Tracker, TrackingOptions
from ifdd.data.video import Frame, VideoInfo, iter_frames, probe
from ifdd.errors import InputError
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
    batch_size: int = 8
    """Windows that go through the model together."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.stride_seconds is not None and not self.stride_seconds > 0:
            raise InputError(f"reading.stride_seconds must be above 0, given {self.stride_seconds}")
        if not self.minimum_segment_seconds >= 0:
            raise InputError(f"reading.minimum_segment_seconds must be 0 or more, given {self.minimum_segment_seconds}")
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

    def recognize(self, video: str | Path, on_frame: Callable[[int, int], None] | None = None) -> Recognition:
        """Read the expressions of all people in a video.

        Args:
            video: a video file of any kind that PyAV reads, or a folder of numbered images.
            on_frame: called after every frame with the number of frames done and the number of all frames.

        Raises:
            InputError: the video is missing, unreadable, empty or truncated.
        """
        info = probe(video)
        reader = _VideoReader(self)
        for frame in iter_frames(video):
            reader.read(frame)
            if on_frame is not None:
                on_frame(frame.index + 1, info.frames)
        return reader.finish(str(video), info)

    @torch.inference_mode()
    def read_clips(self, clips: UInt8[np.ndarray, "clips frames height width 3"]) -> Float[Tensor, "clips classes"]:
        """Return the class probabilities of RGB clips of the model's length and size."""
        batch = torch.from_numpy(clips).to(self.device).permute(0, 4, 1, 2, 3).float() / 255
        return self.model(batch).logits.softmax(-1).cpu()


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
    seconds: deque[float] = field(default_factory=deque)
    images: deque[np.ndarray] = field(default_factory=deque)


class _VideoReader:
    """Reads one video frame by frame; seconds are counted from its first frame."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._tracker = Tracker(recognizer.tracking)
        self._cuts = CutDetector(recognizer.tracking.cut_threshold)
        self._crops: dict[int, _Crops] = {}  # by identity of the track: it has no number at first
        self._waiting: list[_Window] = []
        self._tracks: list[Track] = []
        self._timeline: list[TimelineEntry] = []
        self._zero: float | None = None

    def read(self, frame: Frame) -> None:
        """Take in the next frame."""
        if self._zero is None:
            self._zero = frame.seconds
        seconds = frame.seconds - self._zero
        detections = self._recognizer.detector.detect(frame.image)
        update = self._tracker.update(frame.index, seconds, detections, self._cuts.is_cut(frame.image))
        for track in update.ended:
            self._end(track)
        for track in update.active:
            self._add_crop(track, frame.image)
            if track.id:
                self._read_full_windows(track, track.last_seen_seconds)
        alive = {id(track) for track in update.active}
        self._crops = {key: crops for key, crops in self._crops.items() if key in alive}

    def finish(self, path: str, info: VideoInfo) -> Recognition:
        """End all tracks and put the results together."""
        for track in self._tracker.finish(info.duration_seconds):
            self._end(track)
        self._run_model()
        recognizer = self._recognizer
        self._tracks.sort(key=lambda track: track.id)
        segments = [
            segment
            for track in self._tracks
            for segment in find_segments(
                [entry for entry in self._timeline if entry.track == track.id],
                recognizer.classes,
                recognizer.reading.minimum_segment_seconds,
            )
        ]
        return Recognition(
            video=RecognizedVideo(path, info.duration_seconds, info.frames, info.fps),
            model=recognizer.description,
            classes=recognizer.classes,
            tracks=tuple(
                RecognizedTrack(track.id, track.start_seconds, track.end_seconds, tuple(track.points))
                for track in self._tracks
            ),
            timeline=tuple(sorted(self._timeline, key=lambda entry: (entry.start_seconds, entry.track))),
            segments=tuple(segments),
        )

    def _add_crop(self, track: Track, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Keep the newest crop, and forget those that no window can need any more."""
        crops = self._crops.setdefault(id(track), _Crops(track.start_seconds, track.start_seconds))
        crops.seconds.append(track.points[-1].seconds)
        crops.images.append(crop_face(image, track.box, self._recognizer.model.config.size))
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
        self._tracks.append(track)
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
        if len(self._waiting) >= self._recognizer.reading.batch_size:
            self._run_model()

    def _run_model(self) -> None:
        if not self._waiting:
            return
        probabilities = self._recognizer.read_clips(np.stack([window.clip for window in self._waiting]))
        for window, row in zip(self._waiting, probabilities.tolist(), strict=True):
            self._timeline.append(TimelineEntry(window.track, window.start_seconds, window.end_seconds, tuple(row)))
        self._waiting.clear()


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
