"""From decoded frames to upright images with square pixels, as players show them."""

import struct
from typing import NamedTuple, cast

import av
import numpy as np
from av.video.stream import VideoStream
from jaxtyping import UInt8

from ifdd.video.decoding.colour import ColourConverter

PIXEL_SHAPES = (0.25, 4.0)
"""Range of plausible pixel aspect ratios (width to height); others are ignored."""


class Orientation(NamedTuple):
    """How a frame becomes an upright image with square pixels."""

    width: int
    """Width of the stored frames in square pixels."""
    height: int
    """Height of the stored frames in square pixels."""
    transposed: bool
    """Swap rows and columns, before any flip."""
    flipped_horizontally: bool
    """Swap left and right."""
    flipped_vertically: bool
    """Swap top and bottom."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images."""
        return (self.height, self.width) if self.transposed else (self.width, self.height)

    def to_image(self, frame: av.VideoFrame, colours: ColourConverter) -> UInt8[np.ndarray, "height width 3"]:
        """Convert a frame to RGB.

        Args:
            frame: as decoded.
            colours: converts the frames of this video.
        """
        return self.apply(colours.to_rgb(frame, self.width, self.height))

    def apply(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """Return an image as stored, in square pixels, upright."""
        image = image.swapaxes(0, 1) if self.transposed else image
        return np.ascontiguousarray(
            image[:: -1 if self.flipped_vertically else 1, :: -1 if self.flipped_horizontally else 1]
        )


class Orientations:
    """Finds the orientation of each frame of a stream; size, pixel aspect ratio and rotation may change midway.

    Args:
        stream: the stream, set up for decoding.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._declared = stream.codec_context.sample_aspect_ratio
        self._key: tuple[object, ...] = ()
        self._newest = Orientation(0, 0, False, False, False)

    def of(self, frame: av.VideoFrame) -> Orientation:
        """Return the orientation of the newest frame."""
        shape = self._stream.codec_context.sample_aspect_ratio
        key = frame.width, frame.height, shape, frame.rotation
        if key != self._key:
            changed = shape if self._key and shape != self._declared else None
            valid = changed or self._stream.sample_aspect_ratio  # a Fraction before PyAV 19
            self._key, self._newest = key, orientation_of(frame, float(valid) if valid else None)
        return self._newest


def orientation_of(frame: av.VideoFrame, pixel_shape: float | None) -> Orientation:
    """Read the display matrix, which may rotate and mirror, and apply the pixel aspect ratio.

    Args:
        frame: a frame.
        pixel_shape: width of its pixels in multiples of their height; None if unknown.
    """
    width, height = frame.width, frame.height
    shape = pixel_shape or 1.0
    if PIXEL_SHAPES[0] <= shape <= PIXEL_SHAPES[1]:
        width, height = max(width, round(width * shape)), max(height, round(height / shape))
    try:
        matrix = cast(bytes | None, frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # the frame also has side data, such as EXIF, that PyAV has no name for
        turn = frame.rotation  # degrees, anticlockwise; mirroring is lost
        return Orientation(width, height, abs(turn) == 90, turn in (-90, 180, -180), turn in (90, 180, -180))
    if matrix is None:
        return Orientation(width, height, False, False, False)
    # The matrix maps the point (column, row) to (a column + c row, b column + d row).
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(width, height, True, c < 0, b < 0)
    return Orientation(width, height, False, a < 0, d < 0)
