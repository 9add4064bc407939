"""The Recognizer: from the frames of a video to the expressions of its people over time."""

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from ifdd.faces.detection import FaceDetector, choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import file_sha256
from ifdd.inference.frame_statistics import StatisticsRecorder
from ifdd.inference.pipeline import Progress, follow_ahead, follow_in_turns
from ifdd.inference.reader import ClipReader
from ifdd.inference.recognition import Recognition
from ifdd.inference.results import ModelInfo, TimelineEntry
from ifdd.inference.stream import Stream
from ifdd.inference.windows import WindowOptions
from ifdd.model import DEMONSTRATION, PRESETS, Checkpoint, IFDDConfig, find_checkpoint, load_checkpoint
from ifdd.video.sources import SourceOptions, VideoSource, open_video

SYNTHETIC_NOTICE = (
    "This model was trained on synthetic, drawn faces. On real people it is a demonstration; "
    "do not rely on what it says. See docs/checkpoints.md."
)
"""The notice of results whose model was trained on drawn faces only."""


class Recognizer:
    """Recognises the expressions of the people in videos.

    Args:
        checkpoint: model, class names and clip length.
        detector: finds faces; if None, YuNet, whose file is downloaded once, or, where that fails, the Haar cascade.
            Either is reported through ``logging``.
        tracking: when tracks begin and end.
        windows: how windows slide, and how segments are made.
        device: where the model runs: "auto" (a GPU if there is one), "cpu", "cuda".
        origin: the file that the checkpoint was read from, or its name if it ships with the package, for
            ``Recognition.model``.

    Raises:
        InputError: the stride is longer than a clip, so that parts of the video would not be read; or there is no
            such device.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        detector: FaceDetector | None = None,
        tracking: TrackingOptions | None = None,
        windows: WindowOptions | None = None,
        device: str | torch.device = "auto",
        origin: str | Path | None = None,
    ) -> None:
        self.tracking = tracking or TrackingOptions()
        self.windows = windows or WindowOptions()
        self.windows.stride(checkpoint.clip_seconds)  # too long a stride is refused before anything is downloaded
        self.reader = ClipReader(checkpoint, device, flip=self.windows.flip, batch_size=self.windows.batch_size)
        self.detector = detector or choose_detector(None, logging.getLogger(__name__).warning)()
        self.model_info = _describe(checkpoint, self.detector.name, origin)
        """What the results say about the model."""

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = DEMONSTRATION,
        detector: FaceDetector | None = None,
        tracking: TrackingOptions | None = None,
        windows: WindowOptions | None = None,
        device: str | torch.device = "auto",
    ) -> "Recognizer":
        """Build a recognizer from a checkpoint file.

        Args:
            path: a .safetensors file written by ``ifdd train``, or the name of one that ships with the package; by
                default the demonstration, which knows drawn faces only.
            detector: finds faces; see the class.
            tracking: when tracks begin and end.
            windows: how windows slide, and how segments are made.
            device: where the model runs; see the class.

        Raises:
            InputError: the checkpoint is missing, unreadable or of another model; or as the class says.
        """
        return cls(load_checkpoint(path), detector, tracking, windows, device, path)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.reader.classes

    @property
    def trained_on_synthetic_faces(self) -> bool:
        """Whether the model was trained on drawn faces only."""
        return bool(self.model_info.notice)

    def recognize(
        self,
        video: str | Path | VideoSource,
        on_frame: Callable[[Progress], object] | None = None,
        source: SourceOptions | None = None,
        *,
        statistics: bool = False,
        in_turns: bool = False,
    ) -> Recognition:
        """Recognise the expressions of all people in a video, in one pass. Damaged parts are skipped and counted.

        Decoding, detection, tracking and the model run side by side, each in a thread of its own, a few frames apart;
        the results are the same as if they took turns. The threads have ended when this returns or raises.

        Args:
            video: a file of any kind that FFmpeg reads, a folder of numbered images, a URL, ``-`` for standard input,
                ``camera:0``; or what ``open_video`` returned for one of them.
            on_frame: called after every frame with the progress.
            source: how the video is opened; not for one that is open.
            statistics: record measurements of every frame in ``Recognition.statistics``.
            in_turns: run everything in turns in this thread, to measure or debug it.

        Raises:
            InputError: the video is missing, unreadable or empty.
        """
        opened = video if isinstance(video, VideoSource) else open_video(video, source)
        recorder = StatisticsRecorder() if statistics else None
        stream = self._stream(least_windows=self.windows.batch_size, keep_tracks=True, statistics=recorder)
        readings: list[TimelineEntry] = []
        follow = follow_in_turns if in_turns else follow_ahead
        with closing(follow(opened, stream)) as followed:
            for progress, windows in followed:
                readings += stream.read_windows(windows)
                if on_frame is not None:
                    on_frame(progress)
        info = opened.info()
        readings += stream.finish(info.duration_seconds)
        return Recognition(
            video=info,
            model=self.model_info,
            tracks=stream.tracks(readings),
            shot_boundaries_seconds=tuple(stream.shot_boundaries_seconds),
            statistics=None if recorder is None else recorder.statistics(),
        )

    def stream(self) -> Stream:
        """Return a stream, which takes in frames as they come and gives each reading as soon as its window is full."""
        return self._stream()

    def _stream(
        self, least_windows: int = 1, keep_tracks: bool = False, statistics: StatisticsRecorder | None = None
    ) -> Stream:
        return Stream(
            self.reader,
            self.detector,
            self.tracking,
            self.windows,
            least_windows=least_windows,
            keep_tracks=keep_tracks,
            statistics=statistics,
        )


def recognize(
    video: str | Path,
    checkpoint: str | Path = DEMONSTRATION,
    *,
    detector: FaceDetector | None = None,
    tracking: TrackingOptions | None = None,
    windows: WindowOptions | None = None,
    source: SourceOptions | None = None,
    device: str | torch.device = "auto",
) -> Recognition:
    """Recognise the expressions of all people in one video; for several, build a ``Recognizer`` once.

    >>> recognition = ifdd.recognize("video.mp4")  # doctest: +SKIP
    >>> for segment in recognition.segments:  # doctest: +SKIP
    ...     print(segment.track, segment.start_seconds, segment.end_seconds, segment.label)

    Args:
        video: a file of any kind that FFmpeg reads, a folder of numbered images, a URL, ``-`` for standard input, or
            ``camera:0``.
        checkpoint: a .safetensors file written by ``ifdd train``, or the name of one that ships with the package; by
            default the demonstration, which knows drawn faces only.
        detector: finds faces; see ``Recognizer``.
        tracking: when tracks begin and end.
        windows: how windows slide, and how segments are made.
        source: how the video is opened.
        device: where the model runs: "auto" (a GPU if there is one), "cpu", "cuda".

    Raises:
        InputError: the video, the checkpoint or an option is at fault.
    """
    recognizer = Recognizer.from_checkpoint(checkpoint, detector, tracking, windows, device)
    return recognizer.recognize(video, source=source)


def _describe(checkpoint: Checkpoint, detector: str, origin: str | Path | None) -> ModelInfo:
    """Return what the results say about the model."""
    config, record = checkpoint.model.config, checkpoint.record
    return ModelInfo(
        name=record.preset or _preset_name(config),
        frames=config.frames,
        size=config.size,
        clip_seconds=checkpoint.clip_seconds,
        classes=checkpoint.classes,
        face_detector=detector,
        description=record.plain(),
        checkpoint=None if origin is None else Path(origin).name,
        checkpoint_sha256=None if origin is None else file_sha256(find_checkpoint(origin)),
        notice=SYNTHETIC_NOTICE if record.synthetic else "",
    )


def _preset_name(config: IFDDConfig) -> str:
    """Return the preset of the same backbone, or the backbone's name."""
    return next((name for name, preset in PRESETS.items() if preset.backbone == config.backbone), config.backbone)
