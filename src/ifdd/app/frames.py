"""Single frames of videos that the browser cannot play."""

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError, check_range
from ifdd.video.readers import VideoEndedError
from ifdd.video.sources import SourceOptions, open_video
from ifdd.video.timestamps import TIME_TOLERANCE

LONGEST_SIDE = 1280
"""Pixels of the frames that are sent."""

JPEG_QUALITY = 85

EARLIER_FRAMES = 2.5
"""Decoding begins so many frames before the time, and earlier if that frame lasts longer."""


def frame_jpeg(video: Path, seconds: float, fps: float) -> bytes:
    """Return the frame that a player shows at a time, as JPEG; after the end, the last frame.

    Args:
        video: a file or a folder of images.
        seconds: the time on the clock of a player.
        fps: its frames per second on average; those of a folder of images.

    Raises:
        InputError: the video is unreadable.
    """
    check_range("fps of the results", fps, above=0)
    earlier, image = EARLIER_FRAMES / fps, None
    while image is None:
        image = _shown_frame(video, seconds, fps, max(0.0, seconds - earlier))
        earlier *= 8
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not good:
        raise InputError("the frame cannot be shown")
    return data.tobytes()


def _shown_frame(video: Path, seconds: float, fps: float, begin: float) -> UInt8[np.ndarray, "height width 3"] | None:
    """Return the last frame that begins at or before a time, or None if it begins before decoding does."""
    image = None
    try:
        with closing(iter(open_video(video, SourceOptions(image_fps=fps, start_seconds=begin)))) as frames:
            for frame in frames:
                if frame.seconds > seconds + TIME_TOLERANCE and (image is not None or begin > 0):
                    break
                image = frame.image
                if frame.seconds > seconds + TIME_TOLERANCE:
                    break  # the video begins later
    except VideoEndedError:
        if begin <= 0:
            raise
    return image
