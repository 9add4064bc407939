"""Video in and out: frames of files, folders, cameras and streams, shot boundaries, damage, encoding."""

from ifdd.video.encode import VideoWriter, encode_image, write_images, write_video
from ifdd.video.fingerprint import source_stamp
from ifdd.video.frames import Frame, VideoInfo, iter_frames, probe, read_frames
from ifdd.video.images import decode_image, resize_shorter_side
from ifdd.video.shots import ShotBoundaryDetector
from ifdd.video.sources import SourceOptions, VideoSource, open_video
from ifdd.video.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

__all__ = [
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Frame",
    "ShotBoundaryDetector",
    "SourceOptions",
    "VideoInfo",
    "VideoSource",
    "VideoWriter",
    "decode_image",
    "encode_image",
    "iter_frames",
    "open_video",
    "probe",
    "read_frames",
    "resize_shorter_side",
    "source_stamp",
    "write_images",
    "write_video",
]
