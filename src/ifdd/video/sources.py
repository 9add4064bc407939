"""Any video that a person may want to read: files, folders, standard input, addresses, cameras.

``video.py`` reads the clips of datasets and refuses what is damaged. Here as much as possible is read: damaged parts
are passed over and counted, and what was wrong is told as notices. Every source is read once, frame by frame.
"""

import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast, runtime_checkable

import av
import cv2
import numpy as np
from av.container import InputContainer

from ifdd.errors import InputError
from ifdd.video.damage import DamageCounter, Gaps
from ifdd.video.frames import (
    FOLDER_FPS,
    IMAGE_SUFFIXES,
    MISSING_SECONDS,
    Frame,
    VideoInfo,
    declared_end,
    decode_image,
    image_files,
    quiet_opencv,
    read_image_bytes,
    refuse_other_size,
    timed_frames,
    video_stream,
)

STDIN = "-"
"""Standard input as a source."""

CAMERA = "camera:"
"""How the name of a camera starts; its number follows."""

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "tcp", "udp", "rtp")
"""Addresses that can be read."""

MOST_FAILURES = 100
"""Unreadable packets in a row after which the rest of a video is given up; images of a camera likewise."""

WAKE_SECONDS = 0.1
"""How often reading that waits for a pipe looks whether it shall end."""

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_PASSWORD = re.compile(r"//[^/@]*@")


@dataclass(frozen=True)
class SourceOptions:
    """How sources are opened, and for how long they are read.

    Raises:
        InputError: a value is outside its range.
    """

    image_fps: float = FOLDER_FPS
    """Frames a second of a folder of images, which does not say."""
    timeout_seconds: float = 15.0
    """How long an address may keep silent before it is given up."""
    maximum_seconds: float | None = None
    """Stop after this much of a video, a camera or a stream; read to the end when none is given."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("image_fps", "timeout_seconds", "maximum_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"source.{name} must be above 0, given {value}")


@runtime_checkable
class Capture(Protocol):
    """What a camera must be able to do; OpenCV's VideoCapture is one."""

    def read(self) -> tuple[bool, Any]:
        """Return whether there is a next image, and the image, BGR."""

    def release(self) -> None:
        """Let the camera go."""


class VideoSource:
    """An opened video: iterate over its frames, once; then ask for ``info()``.

    Attributes:
        name: what the source is called in messages and results; passwords in addresses are hidden.
        expected_frames: about how many frames there will be; None where nobody knows.
        expected_seconds: about how long it is; None where nobody knows.
        live: whether it ends only when it is stopped.
        damaged: packets, images and frames so far that could not be read as they should be.
    """

    def __init__(self, name: str, options: SourceOptions) -> None:
        self.name = name
        self.options = options
        self.expected_frames: int | None = None
        self.expected_seconds: float | None = None
        self.live = False
        self.damaged = 0
        self._notices: list[str] = []
        self._frames = 0
        self._start = 0.0
        self._end = 0.0
        self._size = (0, 0)
        self._begun = False
        self._stopped = False

    def __iter__(self) -> Generator[Frame, None, None]:
        """Yield the frames that can be decoded, in order, upright, with their true times.

        Raises:
            InputError: there is none, or the source is at fault as a whole, or was read before.
        """
        if self._begun:
            raise InputError(
                f"the video {self.name} was read already, and an opened one can be read once; open it anew"
            )
        self._begun = True
        try:
            for frame, end_seconds in self._read():
                if not self._frames:
                    self._start = frame.seconds
                    self._size = (frame.image.shape[1], frame.image.shape[0])
                self._frames += 1
                self._end = end_seconds
                yield frame
                if self._stopped or self._end - self._start >= (self.options.maximum_seconds or float("inf")):
                    break
        finally:
            self.close()
        if not self._frames:
            raise InputError(f"the video {self.name} has no frames that can be decoded; replace it")

    def stop(self) -> None:
        """End the video after the present frame; a silent pipe ends at once, a silent address after its timeout."""
        self._stopped = True

    def close(self) -> None:
        """Let go of the file, the connection or the camera; more than once does no harm."""

    def info(self) -> VideoInfo:
        """Return what was found in the frames read so far, at least one."""
        duration = max(self._end - self._start, 1e-6)
        fps, size = self._frames / duration, self._size
        start = 0.0 if self.live else self._start  # no player shows again what was live
        return VideoInfo(self.name, self._frames, fps, duration, *size, self.damaged, self.notices, start)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was wrong, in one line each."""
        if not self.damaged:
            return tuple(self._notices)
        return (f"{self.damaged} damaged packets, frames or images were passed over or repaired", *self._notices)

    def _read(self) -> Iterator[tuple[Frame, float]]:
        """Yield frames and their ends in seconds."""
        raise NotImplementedError


def open_video(
    source: str | Path,
    options: SourceOptions | None = None,
    stdin: BufferedIOBase | None = None,
    capture: Capture | None = None,
) -> VideoSource:
    """Open a source.

    Args:
        source: a video file of any kind that FFmpeg reads, a folder of numbered images, ``-`` for standard input, an
            address (http, https, rtsp, ...), or ``camera:0``.
        options: frame rate of images, timeouts, the longest time.
        stdin: what is read for ``-``; standard input when None.
        capture: what gives the images of a camera; OpenCV when None.

    Raises:
        InputError: there is no such source, or it holds no video.
    """
    options = options or SourceOptions()
    name = str(source)
    if name == STDIN:
        if stdin is None and sys.stdin is None:
            raise InputError("standard input is closed; pipe a video into it")
        return _Container("standard input", stdin or cast(BufferedIOBase, sys.stdin.buffer), options, {})
    if name.startswith(CAMERA):
        return _Camera(name, options, capture)
    if is_address(name):
        return _open_address(name, options)
    path = Path(source)
    if path.is_dir():
        return _Images(name, image_files(path), options)
    if not path.exists():
        raise InputError(f"no such video: {path}; check the path")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _Images(name, [path], options)
    # An absolute path: no file name can be taken for a protocol.
    return _Container(name, str(path.absolute()), options, {})


def is_address(source: str) -> bool:
    """Say whether a source is an address rather than a path."""
    return _ADDRESS.match(source) is not None


def hide_password(source: str) -> str:
    """Return an address without the user and the password in it."""
    return _PASSWORD.sub("//***@", source, count=1) if is_address(source) else source


def _open_address(address: str, options: SourceOptions) -> VideoSource:
    match = _ADDRESS.match(address)
    scheme = match.group(1).lower() if match else ""
    if scheme not in SCHEMES:
        raise InputError(
            f"cannot read addresses of the kind {scheme}:// ({hide_password(address)}); choose of {', '.join(SCHEMES)}"
        )
    over_tcp = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}  # lost packets would grey the picture
    source = _Container(hide_password(address), address, options, over_tcp)
    source.live = source.expected_seconds is None
    return source


class _Images(VideoSource):
    """Images, one after the other: those of a folder, or a single one."""

    def __init__(self, name: str, files: Sequence[Path], options: SourceOptions) -> None:
        super().__init__(name, options)
        self._files = files
        self.expected_frames = len(self._files)
        self.expected_seconds = len(self._files) / options.image_fps

    def _read(self) -> Iterator[tuple[Frame, float]]:
        count = 0
        first: tuple[Path, tuple[int, ...]] | None = None
        for position, file in enumerate(self._files):
            data = read_image_bytes(file)
            try:
                image = decode_image(data, str(file))
            except InputError:
                self.damaged += 1
                continue
            first = first or (file, image.shape)
            refuse_other_size(file, image.shape, *first)
            yield Frame(count, position / self.options.image_fps, image), (position + 1) / self.options.image_fps
            count += 1


class _Container(VideoSource):
    """What FFmpeg reads: a file, a pipe, an address."""

    def __init__(
        self, name: str, place: str | BufferedIOBase, options: SourceOptions, settings: dict[str, str]
    ) -> None:
        super().__init__(name, options)
        pipe = None if isinstance(place, str) else _interruptible(place, lambda: self._stopped)
        self._is_file = isinstance(place, str) and not is_address(place)
        self._asked = time.monotonic()
        timeout = None if self._is_file or not isinstance(place, str) else options.timeout_seconds
        try:
            self._container: InputContainer = av.open(
                pipe or place, "r", metadata_errors="ignore", options=settings, timeout=timeout
            )
        except av.error.FFmpegError as error:
            self._refuse(error)
        try:
            self._stream = video_stream(name, self._container)
        except InputError:
            self._container.close()
            raise
        self._declared_end = declared_end(self._container, self._stream)
        self._expect()

    def close(self) -> None:
        self._container.close()

    def _expect(self) -> None:
        """Tell length and number of frames as the header does, without trusting them."""
        duration = self._container.duration
        if duration is not None and duration > 0:
            self.expected_seconds = duration / av.time_base
            rate = self._stream.average_rate
            self.expected_frames = self._stream.frames or (round(self.expected_seconds * rate) if rate else None)

    def _read(self) -> Iterator[tuple[Frame, float]]:
        false_timestamps = 0
        gaps = Gaps()
        for timed in timed_frames(self._decode(), self._container, self._stream):
            false_timestamps += timed.jumped
            self.damaged += timed.jumped
            gaps.take(timed.seconds)
            yield Frame(timed.number, timed.seconds, timed.to_rgb()), timed.end_seconds
        self._notices += gaps.notices()
        if not false_timestamps:  # else the length that the container tells may be false too
            self._tell_truncation()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield what can be decoded; frames that the decoder had to mend are among them."""
        failures = 0
        counter = DamageCounter(self._stream.codec_context.name)
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    try:
                        frames = packet.decode()
                    except av.error.FFmpegError:
                        self.damaged += 1
                        continue
                    self.damaged += counter.of_packet(packet)
                    for frame in frames:
                        self.damaged += counter.of_frame(frame)
                        yield frame
                self.damaged += counter.at_end()
                return
            except av.error.InvalidDataError as error:
                self.damaged += 1
                failures += 1
                if failures >= MOST_FAILURES:
                    self._break_off(error)
                    return
            except av.error.FFmpegError as error:
                self._break_off(error)
                return

    def _break_off(self, error: av.error.FFmpegError) -> None:
        """Keep what was read, if anything was."""
        if not self._frames:
            self._refuse(error)
        silent = isinstance(error, av.error.ExitError)  # FFmpeg's word for our timeout
        why = f"nothing came for {self.options.timeout_seconds:g} s" if silent else error.strerror
        declared = "" if self._declared_end is None else f" of {self._declared_end:.2f}"
        self._notices.append(f"the video broke off at {self._end:.2f}{declared} s ({why}); what came before was read")
        self._declared_end = None  # all is said

    def _tell_truncation(self) -> None:
        declared = self._declared_end
        if not self._frames or declared is None or self._end >= declared - max(MISSING_SECONDS, 0.05 * declared):
            return
        self._notices.append(
            f"the video is truncated: it ends at {self._end:.2f} of {declared:.2f} s; what is there was read"
        )

    def _refuse(self, error: av.error.FFmpegError) -> NoReturn:
        """Say why nothing can be read, and what to do."""
        why = error.strerror
        if isinstance(error, PermissionError):
            remedy = "check its permissions"
        elif isinstance(error, av.error.ProtocolNotFoundError):
            remedy = "the FFmpeg that comes with PyAV here has none of that kind; choose another one"
        elif self._is_file:
            remedy = "it is damaged, truncated or no video: replace it or convert it to mp4 anew"
        elif self.name == "standard input":
            remedy = "pipe a whole video; an mp4 must begin with its index (movflags faststart), mkv always works"
        else:
            if time.monotonic() - self._asked >= self.options.timeout_seconds:  # FFmpeg names other reasons
                why = f"no answer within {self.options.timeout_seconds:g} s"
            remedy = "check the address and the connection"
        raise InputError(f"cannot read the video {self.name}: {why}; {remedy}") from error


def _interruptible(file: BufferedIOBase, is_stopped: Callable[[], bool]) -> "BufferedIOBase | _Pipe":
    """Return a file whose reading never waits for longer than until it is stopped."""
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
    except OSError:  # it is no file of the system
        is_pipe = False
    return _Pipe(file, is_stopped) if is_pipe else file


class _Pipe:
    """A pipe as FFmpeg reads it; it ends where the reading is stopped, even while nothing comes."""

    def __init__(self, file: BufferedIOBase, is_stopped: Callable[[], bool]) -> None:
        self._file = file
        self._is_stopped = is_stopped

    def read(self, count: int) -> bytes:
        """Return up to so many bytes, as soon as there are any; none at the end."""
        while not self._is_stopped():
            if select.select([self._file], [], [], WAKE_SECONDS)[0]:
                return self._file.read1(count)
        return b""


class _Camera(VideoSource):
    """A camera at this computer; its frames have the time at which they came."""

    def __init__(self, name: str, options: SourceOptions, capture: Capture | None) -> None:
        super().__init__(name, options)
        number = name.removeprefix(CAMERA)
        if not number.isdecimal():
            raise InputError(f"a camera is named by its number, such as {CAMERA}0; given {name}")
        self.live = True
        self._capture = capture or _open_camera(int(number))

    def close(self) -> None:
        self._capture.release()

    def _read(self) -> Iterator[tuple[Frame, float]]:
        start = time.monotonic()
        count = failures = 0
        seconds = 0.0
        while failures < MOST_FAILURES:
            there, picture = self._capture.read()
            if not there:
                failures += 1
                continue
            failures = 0
            now = time.monotonic() - start
            step, seconds = now - seconds, now
            yield Frame(count, seconds, cv2.cvtColor(np.asarray(picture), cv2.COLOR_BGR2RGB)), seconds + step
            count += 1
        self._notices.append(f"the camera gave no more images after {seconds:.2f} s")


def _open_camera(number: int) -> Capture:
    with quiet_opencv(), suppress(cv2.error):
        capture = cv2.VideoCapture(number)
        if capture.isOpened():
            return capture
        capture.release()
    raise InputError(f"no camera {number} can be opened; check that it is connected, allowed and not in use")
