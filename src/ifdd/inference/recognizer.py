"""The Recognizer: from a video to the expressions of its people over time."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch

from ifdd.faces.detection import DetectorKind, FaceDetector, choose_detector, finds_landmarks
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import file_sha256
from ifdd.inference.frame_statistics import StatisticsRecorder
from ifdd.inference.parts import Part, describe_video, join_parts
from ifdd.inference.pipeline import Progress, follow_ahead, follow_in_turns
from ifdd.inference.reader import ClipReader
from ifdd.inference.recognition import Recognition
from ifdd.inference.results import ModelInfo, RecognizedTrack
from ifdd.inference.stream import Stream
from ifdd.inference.windows import WindowOptions
from ifdd.model import DEFAULT, PRESETS, IFDDConfig, Model, find_checkpoint, load_model
from ifdd.records import CheckpointRecord
from ifdd.remote.hub import HubAddress
from ifdd.video.fitting import Size
from ifdd.video.sources import SourceOptions, VideoSource, open_video

SYNTHETIC_NOTICE = (
    "This model was trained on synthetic, drawn faces. On real people it is a demonstration; "
    "do not rely on its results. See docs/checkpoints.md."
)
"""The notice of results whose model was trained on drawn faces only."""


UNALIGNED_NOTICE = (
    "This model expects faces aligned by landmarks, and the face detector finds none. The crops show an average face's "
    "place in its box, so results are less accurate; use YuNet."
)
"""The notice of results whose faces could not be aligned as in training."""


class Recognizer:
    """Recognises the expressions of the people in videos.

    Args:
        checkpoint: model, class names and clip length, as ``load_model`` gives them.
        detector: the face detector, or its name: "yunet", whose file is downloaded once, or "haar", which needs no file
            and no network. "auto" and None use YuNet, or the Haar cascade if the download fails. Both are reported
            through ``logging``.
        tracking: when tracks begin and end.
        windows: how windows slide and become segments.
        device: where the model runs: "auto" (a CUDA GPU if there is one, otherwise the CPU), "cpu", "cuda",
            "cuda:1", "mps".
        origin: the checkpoint's file, or its name if it ships with the package; recorded in ``Recognition.model``.

    Raises:
        InputError: the stride is longer than a clip and would leave gaps between windows, or the device is not
            available.

    Example:
        >>> from ifdd import Recognizer
        >>> from ifdd.inference import HaarDetector
        >>> recognizer = Recognizer.from_checkpoint(detector=HaarDetector())
        >>> recognizer.classes
        ('happy', 'sad', 'neutral', 'angry', 'surprise', 'disgust', 'fear')
    """

    def __init__(
        self,
        checkpoint: Model,
        detector: FaceDetector | DetectorKind | None = None,
        tracking: TrackingOptions | None = None,
        windows: WindowOptions | None = None,
        device: str | torch.device = "auto",
        origin: str | Path | None = None,
    ) -> None:
        self.tracking = tracking or TrackingOptions()
        self.windows = windows or WindowOptions()
        if self.windows.minimum_probability is None:
            self.windows = replace(self.windows, minimum_probability=checkpoint.abstain_below)
        self.windows.stride(checkpoint.clip_seconds)  # refuses a stride longer than a clip before any download
        self.reader = ClipReader(
            checkpoint,
            device,
            flip=self.windows.flip,
            batch_size=self.windows.batch_size,
            precision=self.windows.precision,
            class_weights=self.windows.class_weights,
        )
        self.detector = _build_detector(detector)
        self.model_info = _describe(checkpoint, self.detector, origin, self.windows.class_weights)
        """The model, as recorded in results."""
        self.trained_on_synthetic_faces = bool(checkpoint.record.synthetic)
        """Whether the model was trained only on computer-generated faces."""
        if UNALIGNED_NOTICE in self.model_info.notice:
            logging.getLogger(__name__).warning(UNALIGNED_NOTICE)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path = DEFAULT,
        detector: FaceDetector | DetectorKind | None = None,
        tracking: TrackingOptions | None = None,
        windows: WindowOptions | None = None,
        device: str | torch.device = "auto",
    ) -> "Recognizer":
        """Build a recognizer from a checkpoint file.

        Args:
            path: a .safetensors file written by ``ifdd train``, the name of a bundled checkpoint, or
                ``hf://USER/MODEL``; by default ``ifdd_face``, which was trained on computer-generated faces for
                reading real ones; or an exported model, a file written by ``ifdd export``.
            detector: the face detector; see the class.
            tracking: when tracks begin and end.
            windows: how windows slide and become segments.
            device: where the model runs; see the class.

        Raises:
            InputError: the checkpoint is missing, unreadable or of another model; or as the class.
        """
        return cls(load_model(path), detector, tracking, windows, device, path)

    @classmethod
    def from_pretrained(
        cls,
        model: str,
        revision: str | None = None,
        detector: FaceDetector | DetectorKind | None = None,
        tracking: TrackingOptions | None = None,
        windows: WindowOptions | None = None,
        device: str | torch.device = "auto",
    ) -> "Recognizer":
        """Build a recognizer from a checkpoint on the Hugging Face Hub, as 'ifdd push' publishes it.

        The file is downloaded once, into the hub's cache. It needs the extra ``[hub]``.

        Args:
            model: "user/model".
            revision: branch, tag or commit; None takes the newest.
            detector: the face detector; see the class.
            tracking: when tracks begin and end.
            windows: how windows slide and become segments.
            device: where the model runs; see the class.

        Raises:
            InputError: the hub cannot be reached, model or revision do not exist; or as ``from_checkpoint``.
        """
        return cls.from_checkpoint(str(HubAddress(model, revision)), detector, tracking, windows, device)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.reader.classes

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

        Decoding, detection, tracking and the model run in parallel threads, a few frames apart; the results are the
        same as in turn. The threads end before this returns or raises.

        Args:
            video: a video file of any kind that FFmpeg reads, a folder of numbered images, a URL, ``-`` for standard
                input, or ``camera:0``; or the result of ``open_video`` for one of them.
            on_frame: called after every frame with the progress.
            source: how to open the video; ignored if it is open already.
            statistics: record measurements of every frame in ``Recognition.statistics``.
            in_turns: run everything in this thread, for measuring or debugging.

        Raises:
            InputError: the video is missing, unreadable or empty.
        """
        opened = video if isinstance(video, VideoSource) else open_video(video, source)
        return self.join([self.recognize_part(opened, on_frame, statistics=statistics, in_turns=in_turns)])

    def recognize_part(
        self,
        video: VideoSource,
        on_frame: Callable[[Progress], object] | None = None,
        *,
        statistics: bool = False,
        in_turns: bool = False,
        canvas: Size | None = None,
    ) -> Part:
        """Recognise a part of a video, or a whole one, for ``join``.

        Args:
            video: the video; its ``cut`` says which part it is.
            on_frame: as for ``recognize``.
            statistics: as for ``recognize``.
            in_turns: as for ``recognize``.
            canvas: width and height of the first frame of the whole video; None if the part begins with it.

        Raises:
            InputError: the video is unreadable, or ends before the part.
        """
        recorder = StatisticsRecorder() if statistics else None
        stream = self._stream(self.windows.batch_size, keep_tracks=True, statistics=recorder, canvas=canvas)
        follow = follow_in_turns if in_turns else follow_ahead
        with closing(follow(video, stream)) as followed:
            for progress, windows in followed:
                stream.read_windows(windows)
                if on_frame is not None:
                    on_frame(progress)
        info = video.info()
        stream.finish(info.duration_seconds + video.offset_seconds)
        return Part(
            replace(info, notices=video.notices),
            stream.tracks(),
            tuple(stream.shot_boundaries_seconds),
            None if recorder is None else recorder.statistics(),
            stream.turns,
            *video.before_next,
            gaps=video.gaps,
        )

    def join(self, parts: Sequence[Part], overlap_seconds: float = 0.0) -> Recognition:
        """Return the results of a whole video from those of its parts.

        A person in two parts is one person if the boxes agree where the parts overlap. Where a shot begins in the
        overlap, the results are exactly those of one pass; elsewhere, windows after the border begin up to a stride
        later or earlier.

        Args:
            parts: the results of ``recognize_part``, in order of time, each overlapping the next one.
            overlap_seconds: the length of an overlap.
        """
        whole = join_parts(parts, overlap_seconds)
        return Recognition(
            video=describe_video(whole),
            model=self.model_info,
            tracks=tuple(track if track.segments else self._with_segments(track) for track in whole.tracks),
            shot_boundaries_seconds=whole.shot_boundaries_seconds,
            statistics=whole.statistics,
        )

    def _with_segments(self, track: RecognizedTrack) -> RecognizedTrack:
        return replace(track, segments=self.windows.segments(track.id, track.windows, self.classes))

    def stream(self) -> Stream:
        """Return a stream, which processes frames one by one and returns each result as soon as its window is full."""
        return self._stream()

    def _stream(
        self,
        least_windows: int = 1,
        keep_tracks: bool = False,
        statistics: StatisticsRecorder | None = None,
        canvas: Size | None = None,
    ) -> Stream:
        return Stream(
            self.reader,
            self.detector,
            self.tracking,
            self.windows,
            least_windows=least_windows,
            keep_tracks=keep_tracks,
            statistics=statistics,
            canvas=canvas,
        )


def recognize(
    video: str | Path,
    checkpoint: str | Path = DEFAULT,
    *,
    detector: FaceDetector | DetectorKind | None = None,
    tracking: TrackingOptions | None = None,
    windows: WindowOptions | None = None,
    source: SourceOptions | None = None,
    device: str | torch.device = "auto",
) -> Recognition:
    """Recognise the expressions of all people in one video; for several, build a ``Recognizer`` once.

    Args:
        video: a video file of any kind that FFmpeg reads, a folder of numbered images, a URL, ``-`` for standard input,
            or ``camera:0``.
        checkpoint: a .safetensors file written by ``ifdd train``, or the name of a bundled checkpoint; by default
            ``ifdd_face``, which was trained on computer-generated faces for reading real ones; or an exported model, a
            file written by ``ifdd export``.
        detector: the face detector; see ``Recognizer``.
        tracking: when tracks begin and end.
        windows: how windows slide and become segments.
        source: how to open the video.
        device: where the model runs: "auto" (a CUDA GPU if there is one, otherwise the CPU), "cpu", "cuda",
            "cuda:1", "mps".

    Raises:
        InputError: the video, the checkpoint or an option is wrong.

    Example:
        >>> from pathlib import Path
        >>> import ifdd
        >>> from ifdd.inference import HaarDetector
        >>> from ifdd.synth import SynthConfig, render_clip
        >>> from ifdd.video import write_video
        >>> drawn = render_clip(SynthConfig(size=112, frames=16, fps=10.0), seed=1, index=0)
        >>> write_video(Path("drawn.mp4"), list(drawn.frames), fps=10.0)
        >>> recognition = ifdd.recognize("drawn.mp4", "ifdd_tiny_synth", detector=HaarDetector())
        >>> for segment in recognition.segments:
        ...     print(segment.track, segment.start_seconds, segment.end_seconds, segment.label)
        1 0.0 1.6 disgust
    """
    opened = open_video(video, source)  # its errors come before a detector is downloaded
    try:
        return Recognizer.from_checkpoint(checkpoint, detector, tracking, windows, device).recognize(opened)
    finally:
        opened.close()


def _build_detector(detector: FaceDetector | DetectorKind | None) -> FaceDetector:
    if detector is None or isinstance(detector, str):
        return choose_detector(None, logging.getLogger(__name__).warning, kind=detector or "auto")()
    return detector


def _describe(
    checkpoint: Model, detector: FaceDetector, origin: str | Path | None, class_weights: Mapping[str, float]
) -> ModelInfo:
    """Return the description of the model for results."""
    config, record = checkpoint.config, checkpoint.record
    unaligned = config.alignment == "landmarks" and not finds_landmarks(detector)
    notices = [*([_synthetic_notice(record)] if record.synthetic else []), *([UNALIGNED_NOTICE] if unaligned else [])]
    return ModelInfo(
        name=record.preset or _preset_name(config),
        frames=config.frames,
        size=config.size,
        clip_seconds=checkpoint.clip_seconds,
        classes=checkpoint.classes,
        face_detector=detector.name,
        alignment=config.alignment,
        action_units=config.action_units,
        class_weights=class_weights,
        description=record.plain(),
        calibration=None if checkpoint.calibration is None else checkpoint.calibration.plain(),
        checkpoint=None if origin is None else Path(origin).name,
        checkpoint_sha256=None if origin is None else file_sha256(find_checkpoint(origin)),
        notice=" ".join(notices),
    )


def _synthetic_notice(record: CheckpointRecord) -> str:
    """Return the notice of a model that was trained on computer-generated faces only: what is known of real ones."""
    measured = record.measured
    if measured is None:
        return SYNTHETIC_NOTICE
    return (
        f"Trained only on computer-generated faces. Of {measured.count} {measured.pictures} of real people, it read "
        f"{measured.accuracy:.0%} as people did ({measured.classes} classes). See docs/checkpoints.md."
    )


def _preset_name(config: IFDDConfig) -> str:
    """Return the preset of the same backbone, or the backbone's name."""
    return next((name for name, preset in PRESETS.items() if preset.backbone == config.backbone), config.backbone)
