"""From decoded frames to upright images with square pixels, as players show them."""

import struct
from typing import NamedTuple, cast

import av
import numpy as np
from av.video.stream import VideoStream
from jaxtyping import UInt8

PIXEL_SHAPES = (0.25, 4.0)
"""Range of plausible pixel aspect ratios (width to height); others are ignored."""


class Orientation(NamedTuple):
    """How the frames of a video become upright images of one size with square pixels."""

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

    def to_image(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        """Convert a frame to RGB; streams may change their frame size midway, images keep theirs."""
        image = frame.to_ndarray(format="rgb24", width=self.width, height=self.height, threads=1)
        image = image.swapaxes(0, 1) if self.transposed else image
        return np.ascontiguousarray(
            image[:: -1 if self.flipped_vertically else 1, :: -1 if self.flipped_horizontally else 1]
        )


def orientation_of(frame: av.VideoFrame, stream: VideoStream) -> Orientation:
    """Read the pixel aspect ratio and the display matrix, which may rotate and mirror.

    Args:
        frame: the first frame of the video.
        stream: its stream.
    """
    width, height = frame.width, frame.height
    shape = float(stream.sample_aspect_ratio or 1)
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
