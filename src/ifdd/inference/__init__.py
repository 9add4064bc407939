"""Expressions in videos: faces found, followed, and read over time."""

from ifdd.faces.detection import CROP_FACTOR, FaceBox, FaceDetector, HaarDetector, YuNetDetector, crop_face
from ifdd.faces.tracking import Track, Tracker, TrackingOptions, TrackPoint
from ifdd.inference.recognition import SCHEMA_VERSION, Recognition, RecognizedTrack, RecognizedVideo
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.segments import UNCERTAIN, Segment, TimelineEntry
from ifdd.inference.stream import ReadingOptions, Stream
from ifdd.video.shots import CutDetector

__all__ = [
    "CROP_FACTOR",
    "SCHEMA_VERSION",
    "UNCERTAIN",
    "CutDetector",
    "FaceBox",
    "FaceDetector",
    "HaarDetector",
    "ReadingOptions",
    "Recognition",
    "RecognizedTrack",
    "RecognizedVideo",
    "Recognizer",
    "Segment",
    "Stream",
    "TimelineEntry",
    "Track",
    "TrackPoint",
    "Tracker",
    "TrackingOptions",
    "YuNetDetector",
    "crop_face",
]
