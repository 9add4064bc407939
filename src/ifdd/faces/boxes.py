"""Boxes and landmarks of faces, and the crops that the model expects.

All boxes follow the convention of the YuNet detector: from the middle of the forehead to the chin, and from cheek to
cheek.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.video.fitting import SAME, Fit

CROP_FACTOR = 1.35
"""Side of the square crop for the model, in multiples of the longer side of the face box."""


LARGEST_SIDE = 32766
"""Pixels of a side of the pictures that OpenCV warps from and to: it counts them with 16 bits."""


class Landmarks(NamedTuple):
    """Five points of a face as (x, y) in pixels; right and left as seen by the person."""

    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
    nose: tuple[float, float]
    right_mouth: tuple[float, float]
    left_mouth: tuple[float, float]


class FaceBox(NamedTuple):
    """A face in an image, in pixels; the box may extend beyond the image."""

    x: float
    """Left edge."""
    y: float
    """Top edge."""
    width: float
    height: float
    score: float
    """Confidence of the detector, 0 to 1; 0 for a predicted box."""
    landmarks: Landmarks | None = None
    """Eyes, nose and mouth corners, if the detector finds them."""
    turn: float = 0.0
    """Clockwise angle in degrees by which the head is turned; 0 for a head that leans by 30 degrees at most, or if the
    detector finds no landmarks."""
    certainty: float = 1.0
    """Probability that this is the right way up."""
    fine: bool = True
    """Whether it was found in the full picture, not in a reduced one, where landmarks are less exact."""

    @property
    def center(self) -> tuple[float, float]:
        """Centre of the box as (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2

    def placed(self, fit: Fit) -> "FaceBox":
        """Return the box, and its landmarks, in the canvas in which its picture lies."""
        if fit == SAME:
            return self
        scale, left, top = fit
        moved = None
        if self.landmarks is not None:
            moved = Landmarks(*((scale * x + left, scale * y + top) for x, y in self.landmarks))
        x, y = scale * self.x + left, scale * self.y + top
        return self._replace(x=x, y=y, width=scale * self.width, height=scale * self.height, landmarks=moved)


class CropSquare(NamedTuple):
    """The square of an image that a crop shows, in pixels; it may extend beyond the image."""

    x: float
    """Centre, from the left edge of the image."""
    y: float
    """Centre, from the top edge."""
    side: float
    roll: float = 0.0
    """Clockwise rotation in degrees; the crop shows a head with this roll upright."""

    def placed(self, fit: Fit) -> "CropSquare":
        """Return the square in the canvas in which its picture lies."""
        return CropSquare(fit.scale * self.x + fit.left, fit.scale * self.y + fit.top, fit.scale * self.side, self.roll)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return the point of the image at a place in the crop, given in multiples of its side."""
        across, down = math.cos(math.radians(self.roll)), math.sin(math.radians(self.roll))
        x, y = self.side * (x - 0.5), self.side * (y - 0.5)
        return self.x + across * x - down * y, self.y + down * x + across * y


def wrap_degrees(angle: float, near: float = 0.0) -> float:
    """Return the same angle, less than half a turn from another one.

    Example:
        >>> from ifdd.faces.boxes import wrap_degrees
        >>> wrap_degrees(350.0), wrap_degrees(-175.0, near=180.0)
        (-10.0, 185.0)
    """
    return near + (angle - near + 180.0) % 360.0 - 180.0


Box = FaceBox | tuple[float, float, float, float]
"""A face box, or just (left, top, width, height)."""


def intersection(a: Box, b: Box) -> float:
    """Return the area that two boxes share, in square pixels."""
    (a_left, a_top, a_width, a_height), (b_left, b_top, b_width, b_height) = a[:4], b[:4]
    width = min(a_left + a_width, b_left + b_width) - max(a_left, b_left)
    height = min(a_top + a_height, b_top + b_height) - max(a_top, b_top)
    return max(0.0, width) * max(0.0, height)


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, 0 to 1; 0 for two empty ones.

    Example:
        >>> from ifdd.faces import overlap
        >>> overlap((0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 10.0, 10.0))
        0.3333333333333333
    """
    shared = intersection(a, b)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def box_square(box: FaceBox, roll: float = 0.0) -> CropSquare:
    """Return the square of ``crop_face``."""
    return CropSquare(*box.center, CROP_FACTOR * max(box.width, box.height), roll)


def crop_face(
    image: UInt8[np.ndarray, "height width 3"], box: FaceBox, size: int, roll: float = 0.0
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Crop the square around a face that models with the alignment "box" are trained on.

    The square is centred on the box; its side is ``CROP_FACTOR`` times the longer side of the box.

    Args:
        image: RGB.
        box: the face, in pixels of the image.
        size: side of the result in pixels.
        roll: clockwise roll of the head in degrees; the crop shows the head upright.

    Example:
        >>> import numpy as np
        >>> from ifdd.faces import FaceBox, crop_face
        >>> image = np.zeros((240, 320, 3), np.uint8)
        >>> crop_face(image, FaceBox(140, 90, 40, 50, score=0.9), size=112, roll=5.0).shape
        (112, 112, 3)
    """
    return crop_square(image, box_square(box, roll), size)


def cut_square(
    image: UInt8[np.ndarray, "height width 3"], square: CropSquare
) -> tuple[UInt8[np.ndarray, "_ _ 3"], CropSquare]:
    """Return a copy of the part of an image that a square's crop needs, and the square in it.

    ``crop_square`` of both is that of the image, up to rounding: keep the part to crop it later.

    Args:
        image: RGB.
        square: the square, in pixels of the image.
    """
    height, width = image.shape[:2]
    roll = math.radians(square.roll)
    reach = square.side / 2 * (abs(math.cos(roll)) + abs(math.sin(roll))) + 2  # 2: the pixels that are interpolated
    left, right = (min(max(round(square.x + step), 0), width) for step in (-reach, reach))
    top, bottom = (min(max(round(square.y + step), 0), height) for step in (-reach, reach))
    left, top = min(left, width - 1), min(top, height - 1)  # beyond the image, its border is repeated
    part = image[top : max(bottom, top + 1), left : max(right, left + 1)].copy()
    return part, square._replace(x=square.x - left, y=square.y - top)


def crop_square(
    image: UInt8[np.ndarray, "height width 3"], square: CropSquare, size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Crop a square of an image.

    Beyond the image, the border is repeated. Positions have sub-pixel precision, so that crops of a slowly moving face
    do not jump; reduction averages over pixels.

    Args:
        image: RGB.
        square: the square, in pixels of the image.
        size: side of the result in pixels.
    """
    if max(image.shape[:2]) > LARGEST_SIDE:
        image, square = cut_square(image, square)
        shrink = math.ceil(max(image.shape[:2]) / LARGEST_SIDE)
        if shrink > 1:  # of a face of over 20 000 pixels
            image = image[::shrink, ::shrink]
            square = square._replace(x=square.x / shrink, y=square.y / shrink, side=square.side / shrink)
    x, y, side, roll = square
    reduction = max(1, min(math.ceil(side / size), LARGEST_SIDE // size))
    scale = side / (size * reduction)
    # warpAffine maps pixel centres: destination 0 is the centre of the crop's first pixel.
    across, down = scale * math.cos(math.radians(roll)), scale * math.sin(math.radians(roll))
    middle = (size * reduction - 1) / 2
    to_source = np.array(
        [
            [across, -down, x - 0.5 - middle * (across - down)],
            [down, across, y - 0.5 - middle * (across + down)],
        ],
        np.float64,
    )
    fine = cv2.warpAffine(
        image,
        to_source,
        (size * reduction, size * reduction),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return fine if reduction == 1 else cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
