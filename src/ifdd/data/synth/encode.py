"""Frames to files: an mp4 video or a folder of numbered PNG images."""

import shutil
import tempfile
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

from ifdd.errors import InputError
from ifdd.files import atomic_path

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


def write_images(target: Path, pictures: Iterable[UInt8[np.ndarray, "height width 3"]]) -> None:
    """Write a folder 00001.png, 00002.png, ..., whole or not at all; an existing one is replaced.

    Raises:
        InputError: the folder cannot be written.
    """
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
        temporary.chmod(0o755)
        for number, picture in enumerate(pictures, start=1):
            _, code = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_PNG_COMPRESSION, 1))
            (temporary / f"{number:05d}.png").write_bytes(code.tobytes())
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
