"""Alignment of faces in a photograph, and frame by frame in a stream, as in the training clips."""

import math
from collections import deque
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.faces.boxes import CropSquare, FaceBox, box_square, crop_square, wrap_degrees
from ifdd.faces.detection import FaceDetector
from ifdd.faces.landmarks import LARGEST_ROLL, ROLL_SECONDS, eye_slope, find_landmarks, head_roll, is_fine
from ifdd.faces.similarity import Alignment, absolute_square, default_square, plausible_square, relative_square
from ifdd.faces.upright.turns import turn_upright

SMOOTHING_SECONDS = 0.12
"""Time constant with which roll and alignment follow the last measurement."""

MEDIAN_COUNT = 3
"""Number of measurements of landmarks whose median is followed in a stream: few, because it lags by half of them."""

STEADY_SECONDS = 1.2
"""Interval between measurements of the roll of a head that keeps still."""

STEADY_DEGREES = 4.0
"""Largest change of roll, as landmarks in the whole image show it, of a head that keeps still."""

FIRST_ROLLS = 3
"""Measurements of a new head's roll before it may keep still."""


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
    box = turn_upright(image, box, detector)
    return crop_square(image, measure_square(image, box, detector) or default_square(box, box.turn), size)


def measure_square(
    image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector
) -> CropSquare | None:
    """Return the square that a face's aligned crop shows, from landmarks; None if there are none, or implausible ones.

    Args:
        image: RGB.
        box: the face, with the landmarks that the detector found in the whole image.
        detector: the face detector, which searches an enlarged crop for more accurate landmarks.
    """
    return plausible_square(find_landmarks(image, box, detector), box) or plausible_square(box.landmarks, box)


@runtime_checkable
class FaceAligner(Protocol):
    """Determines the crop of one face in a stream, frame by frame."""

    def update(self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float) -> CropSquare:
        """Process the next frame and return the square to crop.

        Args:
            image: RGB.
            box: the face in this frame; with landmarks if they were detected in it.
            seconds: time of the frame.
        """
        ...


def face_aligner(alignment: Alignment, detector: FaceDetector, upright: bool = True) -> FaceAligner:
    """Return the aligner for a new face.

    Args:
        alignment: as in the training clips.
        detector: the face detector.
        upright: for "box", measure the roll of the head.
    """
    return LandmarkAligner(detector) if alignment == "landmarks" else BoxAligner(detector, upright)


class BoxAligner:
    """Crops the square around the box, upright: ``crop_face``."""

    def __init__(self, detector: FaceDetector, upright: bool = True) -> None:
        self._roll = HeadRoll(detector) if upright else None

    def update(self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float) -> CropSquare:
        """Return the square to crop in the next frame; see ``FaceAligner``."""
        return box_square(box, 0.0 if self._roll is None else self._roll.update(image, box, seconds))


class LandmarkAligner:
    """Crops the square that landmarks give: ``align_face``, smoothed.

    The square is measured relative to the box, which is known in every frame: wherever the full picture was searched if
    the face is large, otherwise about every ``ROLL_SECONDS``, because it needs another detection. The crop follows the
    median of the last ``MEDIAN_COUNT`` measurements, and the default square until there is one.

    Args:
        detector: the face detector.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._measured_seconds = -math.inf
        self._seconds = 0.0
        self._measured: deque[Float[np.ndarray, 4]] = deque(maxlen=MEDIAN_COUNT)
        self._relative = np.zeros(4)
        self._turn = 0.0

    def update(self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float) -> CropSquare:
        """Return the square to crop in the next frame; see ``FaceAligner``."""
        if abs(wrap_degrees(box.turn - self._turn)) > LARGEST_ROLL / 2:
            self._measured.clear()
            self._measured_seconds = -math.inf
            self._relative = np.array([0.0, 0.0, 0.0, box.turn])
        self._turn = box.turn
        square = self._measure(image, box, seconds)
        if square is not None:
            roll = wrap_degrees(square.roll, near=float(self._relative[3]))
            self._measured.append(relative_square(square._replace(roll=roll), box))
        if self._measured:
            target = np.median(self._measured, axis=0)
            first = len(self._measured) == 1 and square is not None
            memory = 0.0 if first else math.exp(-(seconds - self._seconds) / SMOOTHING_SECONDS)
            self._relative = target + memory * (self._relative - target)
        self._seconds = seconds
        return absolute_square(self._relative, box)

    def _measure(self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float) -> CropSquare | None:
        if box.landmarks is None:
            return None
        if is_fine(image, box):
            return plausible_square(box.landmarks, box) if box.fine else None
        if seconds - self._measured_seconds < ROLL_SECONDS:
            return None
        self._measured_seconds = seconds
        return measure_square(image, box, self._detector)


class HeadRoll:
    """The roll of one head, measured and smoothed.

    It is measured about every ``ROLL_SECONDS`` at first and while the head tilts, as far as its landmarks in the whole
    image show, and every ``STEADY_SECONDS`` otherwise.

    Cropping a dataset knows the future and interpolates; here, the angle lags by up to
    ``ROLL_SECONDS + SMOOTHING_SECONDS``.

    Args:
        detector: the face detector; if it finds no landmarks, the angle stays 0.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._measured_seconds = -math.inf
        self._measured_slope = 0.0
        self._count = 0
        self._seconds = 0.0
        self._target: float | None = None
        self._turn = 0.0
        self.degrees = 0.0
        """The current angle, clockwise in the image; the turn of the box until eyes are found."""

    def update(self, image: UInt8[np.ndarray, "height width 3"], box: FaceBox, seconds: float) -> float:
        """Process the next frame and return its angle.

        Args:
            image: RGB.
            box: the face in this frame.
            seconds: time of the frame.
        """
        if abs(wrap_degrees(box.turn - self._turn)) > LARGEST_ROLL / 2:
            self.degrees, self._target, self._measured_seconds, self._count = box.turn, None, -math.inf, 0
        self._turn = box.turn
        if box.landmarks is not None and self._is_due(eye_slope(box.landmarks), seconds):
            eyes = find_landmarks(image, box, self._detector)
            measured = None if eyes is None else head_roll(eyes, box.turn)
            measured = None if measured is None else wrap_degrees(measured, near=self.degrees)
            if measured is not None and self._target is None:
                self.degrees = measured
            self._target = self._target if measured is None else measured
        if self._target is not None:
            memory = math.exp(-(seconds - self._seconds) / SMOOTHING_SECONDS)
            self.degrees = self._target + memory * (self.degrees - self._target)
        self._seconds = seconds
        return self.degrees

    def _is_due(self, slope: float, seconds: float) -> bool:
        """Whether to measure the roll now, given that of the landmarks in the whole image."""
        steady = self._count >= FIRST_ROLLS and abs(wrap_degrees(slope - self._measured_slope)) <= STEADY_DEGREES
        if seconds - self._measured_seconds < (STEADY_SECONDS if steady else ROLL_SECONDS):
            return False
        self._count, self._measured_seconds, self._measured_slope = self._count + 1, seconds, slope
        return True
