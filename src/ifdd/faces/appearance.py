"""A person's appearance: the colours of hair, face and shoulders. Enough to distinguish people within one shot."""

import math

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ifdd.faces.boxes import FaceBox

Appearance = Float32[np.ndarray, " colours"]
"""Share of each colour; the shares sum to 1."""

LEVELS = 6
"""Quantisation levels of red, green and blue."""

SIDES, ABOVE, BELOW = 0.1, 0.35, 0.9
"""How far the region extends beyond the face box, in widths and heights of the box."""

_SIZE = (24, 44)  # width and height in pixels to which the region is reduced


def person_appearance(image: UInt8[np.ndarray, "height width 3"], face: FaceBox) -> Appearance:
    """Return the appearance of the person with this face.

    Args:
        image: RGB.
        face: the face; may extend beyond the image.
    """
    height, width = image.shape[:2]
    left, right = (_within(face.x + share * face.width, width) for share in (-SIDES, 1 + SIDES))
    top, bottom = (_within(face.y + share * face.height, height) for share in (-ABOVE, 1 + BELOW))
    part = cv2.resize(image[top : bottom + 1, left : right + 1], _SIZE, interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([part], [0, 1, 2], None, [LEVELS] * 3, [0, 256] * 3).ravel()
    return np.asarray(counts / counts.sum(), np.float32)


def hellinger_distance(a: Appearance, b: Appearance) -> float:
    """Return the Hellinger distance of two appearances: 0 for the same colours, 1 for none in common.

    Example:
        >>> import numpy as np
        >>> from ifdd.faces import FaceBox
        >>> from ifdd.faces.appearance import hellinger_distance, person_appearance
        >>> face = FaceBox(20, 20, 30, 40, score=1.0)
        >>> red, blue = (np.full((100, 80, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
        >>> red, blue = person_appearance(red, face), person_appearance(blue, face)
        >>> hellinger_distance(red, red), hellinger_distance(red, blue)
        (0.0, 1.0)
    """
    return math.sqrt(max(0.0, 1 - float(np.sqrt(a * b).sum())))


def _within(value: float, size: int) -> int:
    return min(max(int(value), 0), size - 1)
