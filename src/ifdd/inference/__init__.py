"""Expressions in videos: faces found, followed, and read over time."""

from ifdd.inference.faces import CROP_FACTOR, FaceBox, FaceDetector, HaarDetector, YuNetDetector, crop_face
from ifdd.inference.recognition import SCHEMA_VERSION, Recognition, RecognizedTrack, RecognizedVideo
from ifdd.inference.recognizer import ReadingOptions, Recognizer
from ifdd.inference.timeline import Segment, TimelineEntry
from ifdd.inference.tracking import CutDetector, Track, Tracker, TrackingOptions, TrackPoint

__all__ = [
    "CROP_FACTOR",
    "SCHEMA_VERSION",
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
    "TimelineEntry",
    "Track",
    "TrackPoint",
    "Tracker",
    "TrackingOptions",
    "YuNetDetector",
    "crop_face",
]
