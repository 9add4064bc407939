"""Cameras attached to this computer."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np

from ifdd.errors import InputError
from ifdd.video.images import quiet_opencv
from ifdd.video.readers import RawFrame, Reader

MOST_CAMERA_FAILURES = 100
"""Failed images in a row after which a camera counts as gone."""


@runtime_checkable
class Capture(Protocol):
    """The interface of a camera; OpenCV's VideoCapture has it."""

    def read(self) -> tuple[bool, Any]:
        """Return whether there is a next image, and the image in BGR."""

    def release(self) -> None:
        """Release the camera."""


class CameraReader(Reader):
    """Reads a camera; each frame has the time at which it arrived.

    Args:
        name: name of the camera in messages.
        capture: the opened camera.
        start_seconds: skip the images of this time after the start.
    """

    def __init__(self, name: str, capture: Capture, start_seconds: float = 0.0) -> None:
        super().__init__(name, start_seconds)
        self.live = True
        self._capture = capture

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()

    def read(self) -> Iterator[RawFrame]:
        """Yield the images as they arrive; the camera is gone after many failures in a row."""
        start, seconds = time.monotonic(), 0.0
        failures = count = 0
        while failures < MOST_CAMERA_FAILURES and not self.stopped:
            there, picture = self._capture.read()
            if not there:
                failures += 1
                continue
            failures = 0
            now = time.monotonic() - start
            step, seconds = now - seconds, now
            if self.is_skipped(seconds):
                continue
            image = np.asarray(cv2.cvtColor(np.asarray(picture), cv2.COLOR_BGR2RGB), np.uint8)
            yield RawFrame.of_image(image, seconds, seconds + step)
            count += 1
        if not count:
            raise self.no_frames(seconds)
        self.notices.append(f"the camera gave no more images after {seconds:.2f} s")


def open_camera(number: int) -> Capture:
    """Open a camera through OpenCV.

    Raises:
        InputError: the camera cannot be opened.
    """
    with quiet_opencv(), suppress(cv2.error):
        capture = cv2.VideoCapture(number)
        if capture.isOpened():
            return capture
        capture.release()
    raise InputError(f"no camera {number} can be opened; check that it is connected, allowed and not in use")
