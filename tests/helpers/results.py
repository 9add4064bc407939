"""Handmade results of recognition."""

from collections.abc import Sequence

from ifdd.faces.tracking import TrackPoint
from ifdd.inference.results import Boxes, ModelInfo, RecognizedTrack, Segment, TimelineEntry, Windows
from ifdd.video.frames import VideoInfo


def make_video(path: str, seconds: float, frames: int, start_seconds: float = 0.0) -> VideoInfo:
    """Return the results of a video of 64 x 48 pixels."""
    return VideoInfo(path, frames, frames / seconds, seconds, 64, 48, start_seconds=start_seconds)


def make_model(classes: tuple[str, ...], notice: str = "") -> ModelInfo:
    """Return the description of a model."""
    return ModelInfo("ifdd_tiny", 16, 64, 1.0, classes, "discs", notice=notice)


def make_track(
    id: int,
    start_seconds: float,
    end_seconds: float,
    points: Sequence[TrackPoint] = (),
    entries: Sequence[TimelineEntry] = (),
    segments: Sequence[Segment] = (),
) -> RecognizedTrack:
    """Return a track; without points, windows and segments unless they are given."""
    classes = len(entries[0].probabilities) if entries else 1
    windows = Windows.of(entries, classes)
    return RecognizedTrack(id, start_seconds, end_seconds, Boxes.of(points), windows, tuple(segments))
