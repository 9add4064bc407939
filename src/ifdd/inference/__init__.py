"""Recognise expressions in videos: detect and track faces, classify them over time."""

from ifdd.faces import (
    CROP_FACTOR,
    FaceBox,
    FaceDetector,
    HaarDetector,
    Track,
    Tracker,
    TrackingOptions,
    TrackPoint,
    YuNetDetector,
    crop_face,
)
from ifdd.inference.outputs.document import SCHEMA_VERSION
from ifdd.inference.reader import ClipReader
from ifdd.inference.recognition import Recognition
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.results import (
    UNCERTAIN,
    Boxes,
    FrameStatistics,
    ModelInfo,
    RecognizedTrack,
    Results,
    Segment,
    TimelineEntry,
    Windows,
)
from ifdd.inference.stream import Stream
from ifdd.inference.windows import WindowOptions
from ifdd.video import ShotBoundaryDetector, VideoInfo

RecognizedVideo = VideoInfo
"""Former name of ``VideoInfo``."""

__all__ = [
    "CROP_FACTOR",
    "SCHEMA_VERSION",
    "UNCERTAIN",
    "Boxes",
    "ClipReader",
    "FaceBox",
    "FaceDetector",
    "FrameStatistics",
    "HaarDetector",
    "ModelInfo",
    "Recognition",
    "RecognizedTrack",
    "RecognizedVideo",
    "Recognizer",
    "Results",
    "Segment",
    "ShotBoundaryDetector",
    "Stream",
    "TimelineEntry",
    "Track",
    "TrackPoint",
    "Tracker",
    "TrackingOptions",
    "VideoInfo",
    "WindowOptions",
    "Windows",
    "YuNetDetector",
    "crop_face",
]
