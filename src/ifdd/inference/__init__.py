"""Expressions in videos: faces found, followed, and read over time."""

from ifdd.data.cuts import CutDetector
from ifdd.data.faces import CROP_FACTOR, FaceBox, FaceDetector, HaarDetector, YuNetDetector, crop_face
from ifdd.data.tracking import Track, Tracker, TrackingOptions, TrackPoint
from ifdd.inference.recognition import SCHEMA_VERSION, Recognition, RecognizedTrack, RecognizedVideo
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.stream import ReadingOptions, Stream
from ifdd.inference.timeline import UNCERTAIN, Segment, TimelineEntry

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
