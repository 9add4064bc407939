"""Video in and out: frames of files, folders, cameras and streams, shot boundaries, damage, encoding."""

from ifdd.video.frames import Frame, VideoInfo, iter_frames, probe, read_frames
from ifdd.video.shots import ShotBoundaryDetector
from ifdd.video.sources import SourceOptions, VideoSource, open_video

__all__ = [
    "Frame",
    "ShotBoundaryDetector",
    "SourceOptions",
    "VideoInfo",
    "VideoSource",
    "iter_frames",
    "open_video",
    "probe",
    "read_frames",
]
