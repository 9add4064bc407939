"""Real videos, if they are available, and magenta discs as stand-ins for faces."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ifdd.faces.boxes import CropSquare, FaceBox, Landmarks
from ifdd.faces.similarity import TEMPLATE, default_square

REAL = Path(__file__).parents[3] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not on this machine")


class DiscDetector:
    """A detector of magenta discs."""

    name = "discs"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        red, green, blue = np.moveaxis(image.astype(int), 2, 0)
        magenta = np.minimum(red, blue) - green > 70
        _, _, parts, _ = cv2.connectedComponentsWithStats(magenta.astype(np.uint8))
        return [
            FaceBox(float(x), float(y), float(width), float(height), 0.9)
            for x, y, width, height, area in parts[1:]
            if area > 30
        ]


class LandmarkDiscDetector(DiscDetector):
    """A detector of magenta discs with landmarks: the template's, in a square a tenth to the right of and larger than
    the default one of a disc."""

    name = "landmark discs"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        return [box._replace(landmarks=template_in(disc_square(box))) for box in super().detect(image)]


def disc_square(box: FaceBox) -> CropSquare:
    """Return the square that the landmarks of a disc give."""
    default = default_square(box)
    return CropSquare(default.x + default.side / 10, default.y, 1.1 * default.side)


def template_in(square: CropSquare) -> Landmarks:
    """Return the template's landmarks in the image of a square: the slow way, with a rotation matrix."""
    angle = math.radians(square.roll)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = [turn @ (np.array(point) - 0.5) * square.side + [square.x, square.y] for point in TEMPLATE]
    return Landmarks(*((float(x), float(y)) for x, y in points))


def disc_frames(
    count: int,
    centers: dict[int, tuple[float, float]] | None = None,
    greys: Sequence[float] | None = None,
) -> np.ndarray:
    """Return (count, 96, 128, 3) frames with a disc in the middle, or only where ``centers`` has it.

    The background has the grey of ``greys``, by default 2 levels more for each frame.
    """
    frames = np.empty((count, 96, 128, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[:] = 2 * index if greys is None else round(greys[index])
        center = (64.0, 48.0) if centers is None else centers.get(index)
        if center is not None:
            cv2.circle(frame, (round(center[0]), round(center[1])), 12, (255, 0, 255), -1)
    return frames
