"""Faces in video: detection, tracking, alignment, quality."""

from ifdd.faces.boxes import CROP_FACTOR, FaceBox, crop_face, overlap
from ifdd.faces.detection import FaceDetector, HaarDetector, YuNetDetector
from ifdd.faces.tracking import Track, Tracker, TrackingOptions, TrackPoint

__all__ = [
    "CROP_FACTOR",
    "FaceBox",
    "FaceDetector",
    "HaarDetector",
    "Track",
    "TrackPoint",
    "Tracker",
    "TrackingOptions",
    "YuNetDetector",
    "crop_face",
    "overlap",
]
