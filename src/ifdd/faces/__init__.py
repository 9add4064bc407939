"""Faces in video: detection, tracking, alignment, quality."""

from ifdd.faces.detection import CROP_FACTOR, FaceBox, FaceDetector, HaarDetector, YuNetDetector, crop_face, overlap
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
