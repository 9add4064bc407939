"""From frames to files: mp4 videos, single images and folders of numbered images."""

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from jaxtyping import UInt8

from ifdd.errors import InputError, check_range
from ifdd.files import atomic_folder, atomic_path
from ifdd.video.decoding.colour import is_high_definition
from ifdd.video.sound import AHEAD_SECONDS, SoundCopier

Quality = Literal["high", "good"]

QUALITIES: dict[Quality, dict[str, dict[str, str]]] = {
    "high": {"libx264": {"crf": "12", "preset": "veryfast"}, "mpeg4": {"flags": "+qscale", "global_quality": "236"}},
    "good": {"libx264": {"crf": "19", "preset": "veryfast"}, "mpeg4": {"flags": "+qscale", "global_quality": "354"}},
}
"""Quality -> encoder -> options; "high" adds nothing visible, "good" takes half the space."""

TICKS = 90_000
"""Ticks per second for frames with explicit times, as in MPEG."""

SLOWEST_FPS = 0.001
"""The lowest frame rate of a video without explicit times: FFmpeg replaces lower ones."""

JPEG_QUALITY = 95
"""Quality of JPEG images unless another one is asked for."""


@lru_cache(maxsize=1)
def best_encoder() -> str:
    """Return the name of the encoder: H.264, or MPEG-4 if FFmpeg was built without it."""
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


class VideoWriter:
    """Writes an mp4 file frame by frame; a context manager.

    Args:
        path: the file; its folder exists.
        fps: frames per second; only nominal if frames have explicit times.
        quality: a key of ``QUALITIES``.
        threads: threads of the encoder; None lets it choose. With one, the bytes do not depend on the machine.
        sound_of: a video whose sound is copied; None writes a silent video.
        begin_seconds: time of the first moment of the file on the clock of the frames and the sound.
        end_seconds: time on the same clock at which the sound ends; inf copies all of it. May be set later, too.
        comment: a comment in the metadata of the file.

    Raises:
        av.FFmpegError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        quality: Quality = "high",
        threads: int | None = None,
        sound_of: Path | None = None,
        begin_seconds: float = 0.0,
        end_seconds: float = inf,
        comment: str = "",
    ) -> None:
        self._fps = fps
        self._options = dict(QUALITIES[quality][best_encoder()])
        if threads is not None:
            self._options["threads"] = str(threads)
        self._sound_of = sound_of
        self._begin, self.end_seconds = begin_seconds, end_seconds
        self._container = av.open(str(path), "w")
        if comment:
            self._container.metadata["comment"] = comment
        self._stream: VideoStream | None = None
        self._sound: SoundCopier | None = None
        self._ticks = -1

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._container.close()

    def write(self, image: UInt8[np.ndarray, "height width 3"], seconds: float | None = None) -> None:
        """Write the next frame.

        Args:
            image: RGB; all frames of one size, with an even number of pixels each way.
            seconds: time of the frame; None, for this and all other frames, spaces them evenly. A frame that is not
                later than the one before it follows one tick after that, because files hold no equal times.
        """
        if self._stream is None:
            self._stream = self._add_stream(image.shape, None if seconds is None else Fraction(1, TICKS))
            self._sound = None if self._sound_of is None else SoundCopier(self._sound_of, self._container, self._begin)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        if is_high_definition(image.shape[1], image.shape[0]):
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, threads=1)
        if seconds is not None:
            self._ticks = max(round((seconds - self._begin) * TICKS), self._ticks + 1)
            frame.pts, frame.time_base = self._ticks, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))
        if self._sound is not None and seconds is not None:
            self._sound.copy_until(min(seconds + AHEAD_SECONDS, self.end_seconds) - self._begin)

    def _add_stream(self, shape: tuple[int, ...], time_base: Fraction | None) -> VideoStream:
        rate = Fraction(self._fps).limit_denominator(1001)
        stream = self._container.add_stream(best_encoder(), rate=rate, options=self._options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = "yuv420p"
        if is_high_definition(
            stream.width, stream.height
        ):  # smaller ones are BT.601, as FFmpeg converts and players read
            stream.codec_context.colorspace = Colorspace.ITU709
        if time_base is not None:
            stream.codec_context.time_base = time_base
        return stream

    def _finish(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.copy_until(self.end_seconds - self._begin)
            self._sound.close()


def write_video(target: Path, pictures: Iterable[UInt8[np.ndarray, "height width 3"]], fps: float) -> None:
    """Write an mp4 file, whole or not at all.

    Args:
        target: the file.
        pictures: RGB frames, at least one; all of one size, with an even number of pixels each way.
        fps: frames per second, at least 0.001.

    Raises:
        InputError: there are no frames, their sizes or the rate cannot be written, or the file cannot.
    """
    check_range("fps", fps, at_least=SLOWEST_FPS, below=inf)
    first: tuple[int, ...] | None = None
    with atomic_path(target) as temporary:
        try:
            with VideoWriter(temporary, fps, threads=1) as writer:
                for picture in pictures:
                    first = first or picture.shape
                    _check_size(picture.shape, first, target)
                    writer.write(picture)
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error
        if first is None:
            raise InputError(f"cannot write {target}: there are no frames; give at least one")


def _check_size(shape: tuple[int, ...], first: tuple[int, ...], target: Path) -> None:
    """Refuse a frame that the video which begins with another one cannot hold.

    Raises:
        InputError: its size is odd or another one.
    """
    if shape != first or shape[0] % 2 or shape[1] % 2:
        raise InputError(
            f"cannot write {target}: a frame has {shape[1]} x {shape[0]} pixels, but all need one size, with even "
            f"numbers (the first has {first[1]} x {first[0]}); crop or resize them"
        )


def encode_image(
    image: UInt8[np.ndarray, "height width 3"], suffix: str = ".png", quality: int = JPEG_QUALITY
) -> bytes:
    """Return the content of an image file.

    Args:
        image: RGB.
        suffix: ``.png`` (lossless), ``.jpg``, or ``.ppm`` (uncompressed).
        quality: quality of a JPEG image, 1 to 100.

    Raises:
        InputError: the quality is outside its range.

    >>> import numpy as np
    >>> from ifdd.video.encode import encode_image
    >>> encode_image(np.zeros((2, 3, 3), np.uint8), ".ppm")[:11]
    b'P6\\n3 2\\n255\\n'
    """
    check_range("the JPEG quality", quality, at_least=1, at_most=100)
    options = {
        ".png": (cv2.IMWRITE_PNG_COMPRESSION, 1),
        ".jpg": (cv2.IMWRITE_JPEG_QUALITY, quality),
        ".ppm": (cv2.IMWRITE_PXM_BINARY, 1),
    }
    _, code = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options[suffix])
    return code.tobytes()


def write_images(
    target: Path, pictures: Iterable[UInt8[np.ndarray, "height width 3"]], suffix: str = ".png", digits: int = 5
) -> None:
    """Write a folder 00001.png, 00002.png, ..., whole or not at all; an existing folder is replaced.

    Args:
        target: the folder.
        pictures: RGB.
        suffix: kind of the images, as ``encode_image``.
        digits: number of digits to pad the numbers to; 1 pads none.

    Raises:
        InputError: the folder cannot be written.
    """
    with atomic_folder(target) as temporary:
        for number, picture in enumerate(pictures, start=1):
            (temporary / f"{number:0{digits}d}{suffix}").write_bytes(encode_image(picture, suffix))
