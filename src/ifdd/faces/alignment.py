"""Alignment of faces in a photograph, and frame by frame in a stream, as in the training clips."""

import math

import numpy as np
from jaxtyping import UInt8

from ifdd.faces.detection import CropSquare, FaceBox, FaceDetector, crop_square
from ifdd.faces.main_face import ROLL_SECONDS, find_eyes, head_roll
from ifdd.faces.similarity import default_square, plausible_square

SMOOTHING_SECONDS = 0.12
"""Time constant with which the angle follows the last measurement."""


def align_face(
    image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector, size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Crop a face as models with the alignment "landmarks" are trained on; for "box", see ``crop_face``.

    Args:
        image: RGB.
        box: the face, with the landmarks that the detector found in the whole image; without landmarks, the square of
            an average face in the box is cropped.
        detector: the face detector, which searches an enlarged crop for more accurate landmarks.
        size: side of the result in pixels.

    Example:
        >>> import numpy as np
        >>> from ifdd.faces import FaceBox, HaarDetector
        >>> from ifdd.faces.alignment import align_face
        >>> image = np.zeros((240, 320, 3), np.uint8)
        >>> align_face(image, FaceBox(140, 90, 40, 50, score=0.9), HaarDetector(), size=64).shape
        (64, 64, 3)
    """
    return crop_square(image, measure_square(image, box, detector) or default_square(box), size)


def measure_square(
    image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector
) -> CropSquare | None:
    """Return the square that a face's aligned crop shows, from landmarks; None if there are none, or implausible ones.

    Args:
        image: RGB.
        box: the face, with the landmarks that the detector found in the whole image.
        detector: the face detector, which searches an enlarged crop for more accurate landmarks.
    """
    return plausible_square(find_eyes(image, box, detector), box) or plausible_square(box.landmarks, box)


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
