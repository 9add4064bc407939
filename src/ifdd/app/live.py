"""The camera of the browser: frames in, faces and expressions out. Nothing is stored."""

import math
import struct
import time
from typing import Any

from ifdd.errors import InputError
from ifdd.inference.stream import Stream
from ifdd.video.images import decode_image

HEADER = struct.Struct("<d")
"""Before the JPEG of each message: its time in seconds on the browser's clock."""

LONGEST_MESSAGE = 2_000_000
"""Bytes of a message; a frame of 1280 x 720 pixels has about 150,000."""

LONGEST_SIDE = 1920
"""Pixels; larger frames are refused."""


class LiveSession:
    """One camera in one tab.

    Args:
        stream: recognises its frames.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._newest: dict[int, dict[str, Any]] = {}
        self._size: tuple[int, int] | None = None  # of the first frame, into which boxes of others are fitted

    def read(self, message: bytes) -> dict[str, Any]:
        """Read one frame.

        Args:
            message: its time, then the JPEG.

        Returns:
            Its time, the people in sight with their boxes and newest windows, and the computing time.

        Raises:
            InputError: the message is not a frame, or its time is before that of the previous one.
        """
        started = time.perf_counter()
        if not HEADER.size < len(message) <= LONGEST_MESSAGE:
            raise InputError("a frame of the camera is empty or too large; choose a smaller picture")
        seconds = HEADER.unpack_from(message)[0]
        if not math.isfinite(seconds):
            raise InputError("a frame of the camera has no time; reload the page")
        image = decode_image(message[HEADER.size :], "a frame of the camera")
        if max(image.shape[:2]) > LONGEST_SIDE:
            raise InputError(f"the camera's picture is larger than {LONGEST_SIDE} pixels; choose a smaller one")
        self._size = self._size or (image.shape[1], image.shape[0])
        for entry in self._stream.read(image, seconds):
            self._newest[entry.track] = {
                "start_seconds": entry.start_seconds,
                "end_seconds": entry.end_seconds,
                "probabilities": entry.probabilities,
                "quality": entry.quality,
                "flaw": entry.flaw,
            }
        people = self._stream.in_sight
        ids = {track.id for track in people}
        self._newest = {id: newest for id, newest in self._newest.items() if id in ids}
        return {
            "seconds": seconds,
            "width": self._size[0],
            "height": self._size[1],
            "people": [
                {
                    "id": track.id,
                    "box": [track.box.x, track.box.y, track.box.width, track.box.height],
                    "newest": self._newest.get(track.id),
                }
                for track in people
            ],
            "computing_seconds": time.perf_counter() - started,
        }
