"""Animated images: what tells them from photographs, and WebP, whose animations FFmpeg does not decode."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from ifdd.errors import InputError
from ifdd.limits import check_size
from ifdd.video.decoding.colour import over_black
from ifdd.video.images import quiet_opencv, read_image_bytes
from ifdd.video.readers import RawFrame, Reader
from ifdd.video.timestamps import DEFAULT_FPS

CHUNK_BYTES = 100_000_000
"""Decoded frames that are held at once; OpenCV starts again at the first frame for each chunk."""

_PNG, _ANIMATED_WEBP = b"\x89PNG\r\n\x1a\n", 0x02
_WEBP_CANVAS = 24, 27  # places of width and height, each less 1
_WEBP_HEADER = 12  # bytes before the first chunk
_MOST_CHUNKS = 100  # colour profiles and metadata come before what marks an animation


def is_animated(path: Path) -> bool:
    """Whether a file is an animated PNG, WebP, AVIF or GIF, by its first bytes; its name does not matter.

    >>> from pathlib import Path
    >>> from ifdd.video.decoding.animations import is_animated
    >>> Path("still.webp").write_bytes(b"RIFF....WEBPVP8 ")
    16
    >>> is_animated(Path("still.webp"))
    False
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if head.startswith(_PNG):
                return _is_animated_png(file)
    except OSError:
        return False
    if head[4:8] == b"ftyp":
        length = int.from_bytes(head[:4], "big")
        return b"avis" in (head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4)))
    return _is_animated_webp(head) or head[:6] in (b"GIF87a", b"GIF89a")


def open_animation(path: Path, start_seconds: float, strict: bool) -> "WebPReader | None":
    """Open an animation that FFmpeg does not decode; None for the others.

    Raises:
        InputError: the file cannot be read.
    """
    with path.open("rb") as file:
        return WebPReader(path, start_seconds, strict) if _is_animated_webp(file.read(64)) else None


def _is_animated_png(file: BinaryIO) -> bool:
    """Whether a PNG has an animation chunk before its first picture; only the heads of its chunks are read."""
    file.seek(len(_PNG))
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"acTL"):
            return head[4:] == b"acTL"
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)  # content and checksum
    return False


def _is_animated_webp(head: bytes) -> bool:
    """Whether a file that begins with these bytes is an animated WebP."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & _ANIMATED_WEBP)


class WebPReader(Reader):
    """Reads an animated WebP with OpenCV.

    Args:
        path: the file.
        start_seconds: skip the frames that begin before this time.
        strict: refuse a file of which not every frame can be decoded; otherwise what comes before is read.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, path: Path, start_seconds: float = 0.0, strict: bool = False) -> None:
        super().__init__(str(path), start_seconds, strict)
        data = read_image_bytes(path)
        check_size(self.name, *(int.from_bytes(data[at : at + 3], "little") + 1 for at in _WEBP_CANVAS))
        self._data = np.frombuffer(data, np.uint8)[None]

    def read(self) -> Iterator[RawFrame]:
        """Yield the frames, with transparent parts black."""
        seconds, start, count, found = 0.0, 0, 1, False
        while not self.stopped:
            frames, milliseconds = self._chunk(start, count)
            for image, duration in zip(frames, milliseconds, strict=True):
                end = seconds + (duration / 1000 or 1 / DEFAULT_FPS)
                if not self.is_skipped(seconds):
                    found = True
                    yield RawFrame.of_image(_to_rgb(image), seconds, end)
                seconds = end
            if len(frames) < count:
                break
            start += len(frames)
            count = max(1, CHUNK_BYTES // frames[0].nbytes)
        if not found:
            raise self.no_frames(seconds)
        if not self.stopped:
            self._check_count(start + len(frames), seconds)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _check_count(self, count: int, seconds: float) -> None:
        """Report an animation of which fewer frames were decoded than its file holds: OpenCV stops at a damaged one."""
        stored = _count_frames(self._data.tobytes())
        if count >= stored:
            return
        reason = f"{count} of {stored} frames can be decoded, up to {seconds:.2f} s"
        if self.strict:
            raise InputError(f"{self.name} is a damaged animation: {reason}; replace it or convert it to mp4")
        self.damaged += stored - count
        self.notices.append(f"the animation is damaged: {reason}")

    def _chunk(self, start: int, count: int) -> tuple[list[np.ndarray], list[int]]:
        """Return up to ``count`` frames and their durations in milliseconds; fewer at the end."""
        try:
            with quiet_opencv():
                good, animation = cv2.imdecodeanimation(self._data, start=start, count=count)
        except cv2.error as error:
            raise InputError(f"{self.name} is a damaged animation; replace it or convert it to mp4") from error
        frames = list(animation.frames)
        if not good and not start:
            raise InputError(f"{self.name} is a damaged animation; replace it or convert it to mp4")
        return frames, [int(duration) for duration in animation.durations][: len(frames)]


def _count_frames(data: bytes) -> int:
    """Count the frames of an animated WebP by its chunks, without decoding them."""
    count, place = 0, _WEBP_HEADER
    while place + 8 <= len(data):
        count += data[place : place + 4] == b"ANMF"
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    return count


def _to_rgb(image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 4:
        return over_black(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
