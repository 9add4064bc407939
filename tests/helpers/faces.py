"""Real videos, if they are available, and magenta discs as stand-ins for faces."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ifdd.faces.detection import FaceBox

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
