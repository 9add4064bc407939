"""Pictures that change their size within a video, as in recorded calls: where each lies in the picture of the first.

Nothing is distorted: a picture of another size is scaled evenly until it fits into the first one, and centred there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

SHAPE_TOLERANCE = 0.02
"""Pictures whose aspect ratios differ by at most this share have the same shape: adaptive streams round their sizes."""

MOST_SIZES = 3
"""Number of changes that a notice lists; the rest are only counted."""

Size = tuple[int, int]
"""Width and height in pixels."""


class PictureSize(NamedTuple):
    """The size of the picture from one frame on."""

    frame: int
    """Number of the first frame of this size."""
    seconds: float
    """Its time, from the first frame read."""
    width: int
    """Pixels, upright."""
    height: int
    """Pixels, upright."""


class Fit(NamedTuple):
    """Where a picture lies in a canvas: its pixels times ``scale``, shifted by ``left`` and ``top``."""

    scale: float
    left: float
    top: float

    @property
    def inverse(self) -> "Fit":
        """From the canvas back to the picture."""
        return Fit(1 / self.scale, -self.left / self.scale, -self.top / self.scale)


SAME = Fit(1.0, 0.0, 0.0)
"""The picture is the canvas."""


def fit_into(size: Size, canvas: Size) -> Fit:
    """Return where a picture lies in a canvas that it fills as far as possible, centred.

    >>> from ifdd.video.fitting import fit_into
    >>> fit_into((360, 640), canvas=(640, 360))
    Fit(scale=0.5625, left=218.75, top=0.0)
    """
    if size == canvas:
        return SAME
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    return Fit(scale, (canvas[0] - scale * size[0]) / 2, (canvas[1] - scale * size[1]) / 2)


def letterbox(image: UInt8[np.ndarray, "height width 3"], canvas: Size) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return an image in a canvas, as ``fit_into`` places it, with black beside it; the image itself if it fits.

    Args:
        image: RGB.
        canvas: width and height of the result.
    """
    height, width = image.shape[:2]
    if (width, height) == canvas:
        return image
    fit = fit_into((width, height), canvas)
    if has_same_shape((width, height), canvas):  # differs by rounding: no bars of one pixel
        inner, left, top = canvas, 0, 0
    else:
        inner = max(1, round(width * fit.scale)), max(1, round(height * fit.scale))
        left, top = (canvas[0] - inner[0]) // 2, (canvas[1] - inner[1]) // 2
    method = cv2.INTER_AREA if fit.scale < 1 else cv2.INTER_LINEAR
    target = np.zeros((canvas[1], canvas[0], 3), np.uint8)
    target[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=method)
    return target


def has_same_shape(one: Size, other: Size) -> bool:
    """Whether two pictures have the same aspect ratio, apart from rounding.

    >>> from ifdd.video.fitting import has_same_shape
    >>> has_same_shape((640, 360), (426, 240)), has_same_shape((640, 360), (360, 640))
    (True, False)
    """
    ratio = one[0] * other[1] / (one[1] * other[0])
    return 1 - SHAPE_TOLERANCE <= ratio <= 1 + SHAPE_TOLERANCE


class SizeLog:
    """Notes at which frames the size of the picture changes."""

    def __init__(self) -> None:
        self._sizes: list[PictureSize] = []

    def add(self, frame: int, seconds: float, size: Size) -> None:
        """Add the next frame."""
        if not self._sizes or self._sizes[-1][2:] != size:
            self._sizes.append(PictureSize(frame, seconds, *size))

    @property
    def sizes(self) -> tuple[PictureSize, ...]:
        """The sizes, the first one included; empty if the size never changed."""
        return tuple(self._sizes) if len(self._sizes) > 1 else ()

    def notices(self) -> list[str]:
        """Return one line on the changes; none if there are none."""
        if len(self._sizes) < 2:
            return []
        return [size_notice(self._sizes)]


def size_notice(sizes: Sequence[PictureSize]) -> str:
    """Return a line that says how the size of the picture changes.

    >>> from ifdd.video.fitting import PictureSize, size_notice
    >>> size_notice([PictureSize(0, 0.0, 640, 360), PictureSize(60, 2.4, 360, 640)])
    'the picture changes its size: 640x360, 360x640 from 2.40 s; none is distorted, and boxes are in pixels of 640x360'
    """
    first = sizes[0]
    named = [f"{first.width}x{first.height}"]
    named += [f"{one.width}x{one.height} from {one.seconds:.2f} s" for one in sizes[1 : MOST_SIZES + 1]]
    more = len(sizes) - 1 - MOST_SIZES
    rest = f" and {more} more times" if more > 0 else ""
    return (
        f"the picture changes its size: {', '.join(named)}{rest}; none is distorted, and boxes are in pixels of "
        f"{first.width}x{first.height}"
    )
