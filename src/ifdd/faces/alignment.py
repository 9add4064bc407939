"""Roll of heads in a stream, frame by frame, to align faces as in the training clips."""

import math

import numpy as np
from jaxtyping import UInt8

from ifdd.faces.detection import FaceBox, FaceDetector
from ifdd.faces.main_face import ROLL_SECONDS, find_eyes, head_roll

SMOOTHING_SECONDS = 0.12
"""Time constant with which the angle follows the last measurement."""


class HeadRoll:
    """The roll of one head, measured about every ``ROLL_SECONDS`` and smoothed.

    Cropping a dataset knows the future and interpolates; here, the angle lags by up to
    ``ROLL_SECONDS + SMOOTHING_SECONDS``.

    Args:
        detector: the face detector; if it finds no landmarks, the angle stays 0.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._measured_seconds = -math.inf
        self._seconds = 0.0
        self._target: float | None = None
        self.degrees = 0.0
        """The current angle, clockwise in the image; 0 until eyes are found."""

    def update(self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float) -> float:
        """Process the next frame and return its angle.

        Args:
            image: RGB.
            box: the face in this frame.
            seconds: time of the frame.
        """
        if box.landmarks is not None and seconds - self._measured_seconds >= ROLL_SECONDS:
            self._measured_seconds = seconds
            eyes = find_eyes(image, box, self._detector)
            measured = None if eyes is None else head_roll(eyes)
            if measured is not None and self._target is None:
                self.degrees = measured
            self._target = self._target if measured is None else measured
        if self._target is not None:
            memory = math.exp(-(seconds - self._seconds) / SMOOTHING_SECONDS)
            self.degrees = self._target + memory * (self.degrees - self._target)
        self._seconds = seconds
        return self.degrees
