"""Any video that a person may want to read: files, folders, standard input, addresses, cameras.

``frames.py`` reads the clips of datasets and refuses damage. Here, damaged parts are passed over and counted, and
notices report what was wrong. Each source is read once, frame by frame.
"""

import math
import re
import shutil
import sys
import weakref
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from ifdd.errors import InputError, check_range
from ifdd.files import expand
from ifdd.remote.addresses import ADDRESS, hide_password, is_address
from ifdd.remote.storage import fetch, is_stored, named_by_address
from ifdd.video.decoding.cameras import CameraReader, Capture, open_camera
from ifdd.video.decoding.containers import ContainerReader
from ifdd.video.decoding.damage import gap_notices
from ifdd.video.fitting import PictureSize, SizeLog, size_notice
from ifdd.video.frames import Frame, VideoInfo
from ifdd.video.paths import open_path
from ifdd.video.readers import Reader
from ifdd.video.timestamps import DEFAULT_FPS, TIME_TOLERANCE

STDIN = "-"
"""The source that is standard input."""

CAMERA = "camera:"
"""Prefix of a source that is a camera; its number follows."""

LATEST_SECONDS = 10**9
"""Latest time at which reading may begin; later ones overflow the clocks of containers."""

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "tcp", "udp", "rtp")
"""Schemes of the addresses that can be read."""


@dataclass(frozen=True)
class SourceOptions:
    """How sources are opened, and which part of them is read.

    >>> from ifdd.video import SourceOptions
    >>> SourceOptions(start_seconds=10.0, maximum_seconds=2.5)
    SourceOptions(image_fps=25.0, timeout_seconds=15.0, start_seconds=10.0, maximum_seconds=2.5)

    Raises:
        InputError: a value is outside its range.
    """

    image_fps: float = DEFAULT_FPS
    """Frame rate of a folder of images in frames per second."""
    timeout_seconds: float = 15.0
    """How long an address may be silent before it is given up."""
    start_seconds: float = 0.0
    """Skip the frames that begin before this time, as players count it; live sources count from when they are opened.
    Frame numbers in results count from the first frame that is read."""
    maximum_seconds: float | None = None
    """Stop after reading this much of a video, a camera or a stream. Default: read to the end."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("image_fps", "timeout_seconds", "maximum_seconds"):
            check_range(f"source.{name}", getattr(self, name), above=0)
        check_range("source.start_seconds", self.start_seconds, at_least=0, at_most=LATEST_SECONDS)


@dataclass(frozen=True)
class Cut:
    """A part of a video that overlaps the next one, on the clock of a player.

    It begins at ``SourceOptions.start_seconds``, and ``SourceOptions.maximum_seconds`` does not apply.
    """

    origin_seconds: float
    """Time of the first frame of the whole video."""
    next_seconds: float = math.inf
    """Where the next part begins."""
    end_seconds: float = math.inf
    """Stop after the first frame that ends then or later."""


class VideoSource:
    """An opened video: iterate over its frames once, then ask for ``info()``.

    Args:
        name: name of the source in messages and results; without passwords.
        options: the options it was opened with.
        reader: reads the frames; subclasses that override ``_read`` need none.

    Attributes:
        expected_seconds: approximate duration, if known.
        live: whether the source ends only when it is stopped.
        cut: the part of the video that is read, if others read the rest; set it before reading.
    """

    def __init__(self, name: str, options: SourceOptions, reader: Reader | None = None) -> None:
        self.name = name
        self.options = options
        self.expected_seconds = None if reader is None else reader.expected_seconds
        self.live = reader is not None and reader.live
        self.cut: Cut | None = None
        self._reader = reader
        self._frames = 0
        self._before_next: tuple[int, int] | None = None
        self._start = 0.0
        self._end = 0.0
        self._size = (0, 0)
        self._sizes = SizeLog()
        self._files: list[str] = []
        self._begun = False
        self._stopped = False

    def __iter__(self) -> Generator[Frame, None, None]:
        """Yield the frames that can be decoded, in order, upright, with their true times.

        Raises:
            InputError: there are none, the source as a whole is unreadable, or it was read before.
        """
        if self._begun:
            raise InputError(f"the video {self.name} was read already; open it again to read it again")
        self._begun = True
        try:
            for frame, end_seconds in self._read():
                size = (frame.image.shape[1], frame.image.shape[0])
                if not self._frames:
                    self._start, self._size = frame.seconds, size
                self._sizes.add(frame.index, frame.seconds - self.origin_seconds, size)
                if self.cut and not self._before_next and frame.seconds >= self.cut.next_seconds - TIME_TOLERANCE:
                    self._before_next = self._frames, self.damaged
                self._frames += 1
                self._end = end_seconds
                yield frame
                if self._stopped or self._is_over():
                    break
        finally:
            self.close()

    def _is_over(self) -> bool:
        """Whether the newest frame is the last one to be read."""
        if self.cut:
            return self._end >= self.cut.end_seconds - TIME_TOLERANCE
        return self._end - self._start >= (self.options.maximum_seconds or math.inf) - TIME_TOLERANCE

    @property
    def most_seconds(self) -> float | None:
        """The most that is read; None for everything."""
        if self.cut and self.cut.end_seconds < math.inf:
            return self.cut.end_seconds - self.options.start_seconds
        return None if self.cut else self.options.maximum_seconds

    @property
    def origin_seconds(self) -> float:
        """Time from which results count: that of the first frame, or of the first frame of the whole video."""
        return self.cut.origin_seconds if self.cut else self._start

    @property
    def offset_seconds(self) -> float:
        """Time of the first frame that is read, in results: 0, or where a part begins."""
        return self._start - self.origin_seconds

    @property
    def before_next(self) -> tuple[int, int]:
        """Number of frames read, and of damaged ones, before the next part of the video begins."""
        return self._before_next or (self._frames, self.damaged)

    def stop(self) -> None:
        """End the video after the current frame; a silent pipe ends at once, a silent address after its timeout."""
        self._stopped = True
        if self._reader is not None:
            self._reader.stopped = True

    def close(self) -> None:
        """Release the file, the connection or the camera; may be called repeatedly."""
        if self._reader is not None:
            self._reader.close()

    def info(self) -> VideoInfo:
        """Return what was found in the frames read so far, at least one."""
        duration = max(self._end - self._start, 1e-6)
        fps = self._frames / duration if self._reader is None or self._reader.fps is None else self._reader.fps
        start = 0.0 if self.live else self._start  # no player shows a live source again
        sizes, files = self._sizes.sizes, tuple(self._files[: self._frames])
        notices = describe(self.damaged, self.notices, self.gaps, sizes)
        return VideoInfo(
            self.name, self._frames, fps, duration, *self._size, self.damaged, notices, start, sizes, files
        )

    @property
    def damaged(self) -> int:
        """Packets, images and frames so far that could not be read properly."""
        return 0 if self._reader is None else self._reader.damaged

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each stretch in which frames are missing, once the reading has ended."""
        return () if self._reader is None else self._reader.gaps

    @property
    def notices(self) -> tuple[str, ...]:
        """What else was wrong so far, one line each."""
        return () if self._reader is None else tuple(self._reader.notices)

    def _read(self) -> Iterator[tuple[Frame, float]]:
        """Yield frames and their ends in seconds, at least one frame."""
        assert self._reader is not None, "a source without a reader overrides this"
        for index, frame in enumerate(self._reader.read()):
            if frame.file:
                self._files.append(frame.file)
            yield Frame(index, frame.seconds, frame.to_rgb()), frame.end_seconds


class StoredSource(VideoSource):
    """A video in object storage, read from a temporary copy that is deleted when it is closed.

    Args:
        address: its address, such as ``s3://bucket/a.mp4``.
        options: the options to open it with.

    Raises:
        InputError: the address cannot be read, or what is there is not a video.
    """

    def __init__(self, address: str, options: SourceOptions) -> None:
        self._copy = copy = fetch(address)
        self._delete_copy = weakref.finalize(self, shutil.rmtree, copy.parent, ignore_errors=True)  # at exit, too
        name = hide_password(address)
        try:
            with named_by_address(copy, name):
                reader = open_path(copy, options.image_fps, start_seconds=options.start_seconds)
        except InputError:
            self._delete_copy()
            raise
        super().__init__(name, options, reader)

    def _read(self) -> Iterator[tuple[Frame, float]]:
        with named_by_address(self._copy, self.name):
            yield from super()._read()

    def close(self) -> None:
        """Delete the copy as well."""
        super().close()
        self._delete_copy()


def open_video(
    source: str | Path,
    options: SourceOptions | None = None,
    stdin: BufferedIOBase | None = None,
    capture: Capture | None = None,
) -> VideoSource:
    """Open a source.

    Args:
        source: a video file of any kind that FFmpeg reads, a folder of numbered images, ``-`` for standard input, an
            address (http, https, rtsp, ...), a video in object storage (s3, gs, ...), or ``camera:0``.
        options: frame rate of images, timeout, the part to be read.
        stdin: read instead of standard input for ``-``.
        capture: used instead of OpenCV's camera.

    Raises:
        InputError: the source does not exist or contains no video.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from ifdd.video import SourceOptions, open_video, write_video
        >>> write_video(Path("grey.mp4"), [np.full((48, 64, 3), 128, np.uint8)] * 50, fps=25.0)
        >>> video = open_video("grey.mp4", SourceOptions(start_seconds=1.0))
        >>> len([frame.image for frame in video])
        25
        >>> video.info().start_seconds, video.info().duration_seconds
        (1.0, 1.0)
    """
    options = options or SourceOptions()
    name = str(source)
    if name == STDIN:
        return VideoSource("standard input", options, _open_stdin(options, stdin))
    if name.startswith(CAMERA):
        return VideoSource(name, options, _open_camera(name, options, capture))
    if is_stored(name):
        return StoredSource(name, options)
    if is_address(name):
        return VideoSource(hide_password(name), options, _open_address(name, options))
    path = expand(source)
    return VideoSource(str(path), options, open_path(path, options.image_fps, start_seconds=options.start_seconds))


def describe(
    damaged: int, notices: Sequence[str], gaps: Sequence[tuple[float, float]], sizes: Sequence[PictureSize]
) -> tuple[str, ...]:
    """Return everything that was wrong with a video, one line each.

    Args:
        damaged: number of packets, images and frames that could not be read properly.
        notices: anything else.
        gaps: start and end of each stretch in which frames are missing.
        sizes: the sizes of the picture, if it changes.
    """
    what = "packet, frame or image was" if damaged == 1 else "packets, frames or images were"
    count = [f"{damaged} damaged {what} skipped or repaired"] if damaged else []
    return (*count, *notices, *gap_notices(gaps), *([size_notice(sizes)] if sizes else []))


def _open_stdin(options: SourceOptions, stdin: BufferedIOBase | None) -> Reader:
    if stdin is None and sys.stdin is None:
        raise InputError("standard input is closed; pipe a video into it")
    file = stdin or cast(BufferedIOBase, sys.stdin.buffer)
    return ContainerReader("standard input", file, start_seconds=options.start_seconds)


def _open_camera(name: str, options: SourceOptions, capture: Capture | None) -> Reader:
    number = name.removeprefix(CAMERA)
    if not re.fullmatch("[0-9]{1,4}", number):
        raise InputError(f"cameras are named by number, such as {CAMERA}0; got {name}")
    return CameraReader(name, capture or open_camera(int(number)), options.start_seconds)


def _open_address(address: str, options: SourceOptions) -> Reader:
    match = ADDRESS.match(address)
    scheme = match.group(1).lower() if match else ""
    if scheme not in SCHEMES:
        raise InputError(
            f"unsupported URL scheme {scheme}:// ({hide_password(address)}); use one of {', '.join(SCHEMES)}"
        )
    reader = ContainerReader(
        hide_password(address),
        address,
        start_seconds=options.start_seconds,
        timeout_seconds=options.timeout_seconds,
        settings={"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else None,  # lost packets would grey the image
    )
    reader.live = reader.expected_seconds is None
    return reader
