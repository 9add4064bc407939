"""Frames to files: an mp4 video or a folder of numbered PNG images."""

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from jaxtyping import UInt8

from ifdd.files import atomic_folder, atomic_path

QUALITY = {"libx264": {"crf": "12", "preset": "veryfast"}, "mpeg4": {"qscale": "2"}}
"""Encoder -> options for a quality at which the codec adds nothing visible."""


@lru_cache(maxsize=1)
def best_encoder() -> str:
    """Return the name of the encoder: H.264, or MPEG-4 where FFmpeg was built without it."""
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


def write_video(target: Path, pictures: Iterable[UInt8[np.ndarray, "height width 3"]], fps: float) -> None:
    """Write an mp4 file, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    name = best_encoder()
    with atomic_path(target) as temporary:
        try:
            with av.open(str(temporary), "w") as container:
                stream = None
                for picture in pictures:
                    stream = stream or _add_stream(container, name, fps, picture.shape)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                if stream is not None:
                    container.mux(stream.encode())
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


def _add_stream(container: OutputContainer, encoder: str, fps: float, shape: tuple[int, ...]) -> VideoStream:
    # One thread: the bytes must not depend on the machine's number of cores.
    options = {**QUALITY[encoder], "threads": "1"}
    stream = container.add_stream(encoder, rate=Fraction(fps).limit_denominator(1001), options=options)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = "yuv420p"
    return stream


IMAGE_OPTIONS = {".png": (cv2.IMWRITE_PNG_COMPRESSION, 1), ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95)}
"""Suffix -> how images of that kind are coded."""


def write_images(
    target: Path, pictures: Iterable[UInt8[np.ndarray, "height width 3"]], suffix: str = ".png", digits: int = 5
) -> None:
    """Write a folder 00001.png, 00002.png, ..., whole or not at all; an existing one is replaced.

    Args:
        target: the folder.
        pictures: RGB.
        suffix: one of ``IMAGE_OPTIONS``.
        digits: to how many the numbers are filled up with zeros; 1: not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    with atomic_folder(target) as temporary:
        for number, picture in enumerate(pictures, start=1):
            _, code = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), IMAGE_OPTIONS[suffix])
            (temporary / f"{number:0{digits}d}{suffix}").write_bytes(code.tobytes())
