"""Single frames of videos that the browser cannot play."""

from contextlib import closing
from pathlib import Path

import cv2

from ifdd.errors import InputError
from ifdd.video.sources import SourceOptions, open_video
from ifdd.video.timestamps import TIME_TOLERANCE

LONGEST_SIDE = 1280
"""Pixels of the frames that are sent."""

JPEG_QUALITY = 85

EARLIER_FRAMES = 2.5
"""Decoding begins so many frames before the time."""


def frame_jpeg(video: Path, seconds: float, fps: float) -> bytes:
    """Return the frame that a player shows at a time, as JPEG; after the end, the last frame.

    Args:
        video: a file or a folder of images.
        seconds: the time on the clock of a player.
        fps: its frames per second on average; those of a folder of images.

    Raises:
        InputError: the video is unreadable, or ends long before.
    """
    options = SourceOptions(image_fps=fps, start_seconds=max(0.0, seconds - EARLIER_FRAMES / max(fps, 1.0)))
    with closing(iter(open_video(video, options))) as frames:
        image = next(frames).image
        for frame in frames:
            if frame.seconds > seconds + TIME_TOLERANCE:
                break
            image = frame.image
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not good:
        raise InputError("the frame cannot be shown")
    return data.tobytes()
