"""The Recognizer: from the frames of a video to the expressions of its people over time."""

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ifdd.errors import InputError
from ifdd.faces.detection import FaceDetector, choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import file_sha256
from ifdd.inference.pipeline import Progress, follow_ahead, follow_in_turns
from ifdd.inference.recognition import Recognition, RecognizedVideo
from ifdd.inference.segments import TimelineEntry, find_segments
from ifdd.inference.stream import Stream, WindowOptions
from ifdd.model import DEMONSTRATION, PRESETS, Checkpoint, IFDDConfig, find_checkpoint, load_checkpoint
from ifdd.video.frames import VideoInfo
from ifdd.video.sources import SourceOptions, VideoSource, open_video


class Recognizer:
    """Recognises the expressions of the people in videos.

    Args:
        checkpoint: model, class names and clip length.
        detector: what finds faces; when None, YuNet, whose file is downloaded once, or where that fails the Haar
            cascade. Either is said through ``logging``.
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
        reading: WindowOptions | None = None,
        device: str | torch.device = "cpu",
        origin: dict[str, Any] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = checkpoint.model.to(self.device).eval()
        self.classes = checkpoint.classes
        self.clip_seconds = checkpoint.clip_seconds
        self.detector = detector or choose_detector(None, logging.getLogger(__name__).warning)()
        self.tracking = tracking or TrackingOptions()
        self.reading = reading or WindowOptions()
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
        path: str | Path = DEMONSTRATION,
        detector: FaceDetector | None = None,
        tracking: TrackingOptions | None = None,
        reading: WindowOptions | None = None,
        device: str | torch.device = "cpu",
    ) -> "Recognizer":
        """Build a recogniser from a checkpoint file.

        Args:
            path: a .safetensors file written by ``ifdd train``, or the name of one that ships with the package; when
                none is given, the demonstration, which knows drawn faces only.
            detector: what finds faces; as the class says.
            tracking: when tracks begin and end.
            reading: how windows slide, and how segments are made.
            device: where the model runs.

        Raises:
            InputError: the checkpoint is missing, unreadable or of another model; or as the class says.
        """
        checkpoint = load_checkpoint(path)
        origin = {"checkpoint": Path(path).name, "checkpoint_sha256": file_sha256(find_checkpoint(path))}
        return cls(checkpoint, detector, tracking, reading, device, origin)

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.model.config.frames

    @property
    def size(self) -> int:
        """Side of a clip in pixels."""
        return self.model.config.size

    @property
    def trained_on_synthetic_faces(self) -> bool:
        """Whether the checkpoint says that it has seen drawn faces only."""
        return "notice" in self.description

    def recognize(
        self,
        video: str | Path | VideoSource,
        on_frame: Callable[[Progress], object] | None = None,
        source: SourceOptions | None = None,
        in_turns: bool = False,
    ) -> Recognition:
        """Read the expressions of all people in a video, in one pass. What is damaged is passed over and counted.

        Decoding, looking for faces, following them and the model work side by side, in a thread each, a few frames
        apart; results are the same as if they took turns. The threads have ended when this returns or raises.

        Args:
            video: a file of any kind that FFmpeg reads, a folder of numbered images, an address, ``-`` for standard
                input, ``camera:0``; or what ``open_video`` gave for one of them.
            on_frame: called after every frame with how far the reading has come.
            source: how the video is opened; not for one that is open.
            in_turns: let everything take turns in this thread, to measure or debug it.

        Raises:
            InputError: the video is missing, unreadable or empty.
        """
        opened = video if isinstance(video, VideoSource) else open_video(video, source)
        stream = Stream(self, self.reading.batch_size, keep_tracks=True)
        timeline: list[TimelineEntry] = []
        follow = follow_in_turns if in_turns else follow_ahead
        with closing(follow(opened, stream)) as followed:
            for progress, windows in followed:
                timeline += stream.read_windows(windows)
                if on_frame is not None:
                    on_frame(progress)
        info = opened.info()
        timeline += stream.finish(info.duration_seconds)
        return self._put_together(info, stream, timeline)

    def stream(self) -> Stream:
        """Return what reads frames as they come; each reading is given as soon as its window is full."""
        return Stream(self)

    def _put_together(self, info: VideoInfo, stream: Stream, timeline: list[TimelineEntry]) -> Recognition:
        tracks = sorted(stream.tracks, key=lambda track: track.id)
        by_track: dict[int, list[TimelineEntry]] = {track.id: [] for track in tracks}
        for entry in timeline:
            by_track[entry.track].append(entry)
        reading = self.reading
        least = reading.minimum_segment_seconds, reading.minimum_probability, reading.minimum_quality
        return Recognition(
            video=RecognizedVideo(
                str(info.path),
                info.duration_seconds,
                info.frames,
                info.fps,
                info.damaged,
                info.notices,
                info.start_seconds,
            ),
            model=self.description,
            classes=self.classes,
            tracks=tuple(tracks),
            timeline=tuple(sorted(timeline, key=lambda entry: (entry.start_seconds, entry.track))),
            segments=tuple(
                segment for entries in by_track.values() for segment in find_segments(entries, self.classes, *least)
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
            "do not rely on what it says. See docs/checkpoints.md."
        )
    return description


def _preset_name(config: IFDDConfig) -> str:
    """Return the preset of the same backbone, or the backbone's name."""
    return next((name for name, preset in PRESETS.items() if preset.backbone == config.backbone), config.backbone)
