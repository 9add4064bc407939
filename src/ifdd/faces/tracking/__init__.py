"""Tracking: from the detections of successive frames to tracks, each one person within a shot."""

from ifdd.faces.tracking.options import SearchSchedule, TrackingOptions
from ifdd.faces.tracking.tracker import Tracker, TrackUpdate
from ifdd.faces.tracking.tracks import Track, TrackPoint

__all__ = ["SearchSchedule", "Track", "TrackPoint", "TrackUpdate", "Tracker", "TrackingOptions"]
