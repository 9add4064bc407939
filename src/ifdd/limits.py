"""The largest picture that is read: a small file can claim, or hold, more pixels than memory has room for."""

import os
from collections.abc import MutableMapping

from ifdd.errors import InputError

VARIABLE = "IFDD_MAX_MEGAPIXELS"
"""Environment variable with the largest area of a picture or a video's frame, in millions of pixels."""

MEGAPIXELS = 200.0
"""Default: what the largest cameras of phones give (16320 x 12240), 600 MB as RGB; an 8K video has 33."""

_OPENCV = "OPENCV_IO_MAX_IMAGE_PIXELS"
"""OpenCV's variable for the same limit in pixels, which it reads once, when it is imported; its default is 2**30."""


def most_pixels() -> int:
    """Return the largest area of a picture in pixels.

    Raises:
        InputError: the environment variable is not a positive number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    try:
        megapixels = float(text) if text else MEGAPIXELS
    except ValueError:
        megapixels = 0.0
    if not 0 < megapixels <= 2**31 / 1e6:
        raise InputError(f"{VARIABLE} is {text!r}; it must be a number of megapixels above 0 and at most 2147")
    return max(1, int(megapixels * 1e6))


def decoder_limit() -> int:
    """Return the limit for video decoders, in pixels: their frames are padded, and the rest is left to ``check_size``.

    Raises:
        InputError: as ``most_pixels``.
    """
    return min(2 * most_pixels() + 2**20, 2**31 - 1)


def check_size(name: str, width: int, height: int) -> None:
    """Check that a picture is not too large to be read.

    Args:
        name: of the picture or video, for the message.
        width: in pixels.
        height: in pixels.

    Raises:
        InputError: it is.
    """
    if width * height > most_pixels():
        raise too_large(name, f"{width} x {height}, ")


def too_large(name: str, size: str = "") -> InputError:
    """Return the error for a picture that is too large.

    Args:
        name: of the picture or video.
        size: its size, followed by a comma and a space; empty if unknown.
    """
    most = most_pixels() / 1e6
    return InputError(
        f"the picture of {name} is too large: {size}more than {most:g} megapixels; reduce it, or set the environment "
        f"variable {VARIABLE} to a larger number if there is memory for it"
    )


def limit_opencv(environment: MutableMapping[str, str]) -> None:
    """Give OpenCV, before it is imported, the same limit, so that it refuses before it decodes.

    Raises:
        InputError: as ``most_pixels``.
    """
    environment.setdefault(_OPENCV, str(most_pixels()))
