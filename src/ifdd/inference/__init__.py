"""Expressions in videos: faces found, followed, and read over time."""

from ifdd.faces.detection import CROP_FACTOR, FaceBox, FaceDetector, HaarDetector, YuNetDetector, crop_face
from ifdd.faces.tracking import Track, Tracker, TrackingOptions, TrackPoint
from ifdd.inference.recognition import SCHEMA_VERSION, Recognition, RecognizedTrack, RecognizedVideo
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.segments import UNCERTAIN, Segment, TimelineEntry
from ifdd.inference.stream import Stream, WindowOptions
from ifdd.video.shots import ShotBoundaryDetector

__all__ = [
    "CROP_FACTOR",
    "SCHEMA_VERSION",
    "UNCERTAIN",
    "FaceBox",
    "FaceDetector",
    "HaarDetector",
    "Recognition",
    "RecognizedTrack",
    "RecognizedVideo",
    "Recognizer",
    "Segment",
    "ShotBoundaryDetector",
    "Stream",
    "TimelineEntry",
    "Track",
    "TrackPoint",
    "Tracker",
    "TrackingOptions",
    "WindowOptions",
    "YuNetDetector",
    "crop_face",
]
