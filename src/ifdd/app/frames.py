"""Single frames of videos that the browser cannot play."""

from contextlib import closing
from pathlib import Path

import cv2

from ifdd.errors import InputError
from ifdd.video.sources import SourceOptions, open_video

LONGEST_SIDE = 1280
"""Pixels of the frames that are sent."""

JPEG_QUALITY = 85


def frame_jpeg(video: Path, seconds: float, image_fps: float) -> bytes:
    """Return the first frame from a time on as JPEG.

    Args:
        video: a file or a folder of images.
        seconds: the time on the clock of a player.
        image_fps: frames per second of a folder of images.

    Raises:
        InputError: the video is unreadable, or ends before.
    """
    options = SourceOptions(image_fps=image_fps, start_seconds=max(0.0, seconds))
    with closing(iter(open_video(video, options))) as frames:
        image = next(frames).image
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not good:
        raise InputError("the frame cannot be shown")
    return data.tobytes()
