"""Frames of a video: a video file of any kind that PyAV reads, or a folder of numbered images.

Videos are decoded one frame at a time, so memory does not grow with their length.
"""

import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from jaxtyping import UInt8

from ifdd.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Files of a folder with other endings are no frames, and are passed over."""

# fmt: off
VIDEO_SUFFIXES = (
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".h265", ".hevc",
    ".ivf", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut",
    ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)
# fmt: on
"""Files of a folder with these endings are taken for videos; one that is named is read whatever its ending."""

TIME_TOLERANCE = 1e-6
"""Times that differ by less are the same (seconds)."""

FOLDER_FPS = 25.0
"""Frames a second assumed for a folder of images, which does not say."""

_NOT_VIDEO_FORMATS = ("tty",)  # FFmpeg draws plain text files as moving ANSI art

MISSING_SECONDS = 0.5
"""Containers round their durations; a gap above this is a truncated file."""

TIMESTAMP_JUMP_SECONDS = 10.0
"""A time stamp this far behind the end of the frame before is looked at closely."""

LONGEST_PAUSE = 3600.0
"""No video shows one picture for longer than this (seconds)."""

BACK_SECONDS = 1.0
"""A time stamp this far before the one before is not rounded but wrong."""

PIXEL_SHAPES = (0.25, 4.0)
"""Widths of pixels, in multiples of their heights, that may be true."""


@dataclass(frozen=True)
class VideoInfo:
    """What one pass over a video found."""

    path: Path | str
    """The video file, the folder of images, or the name of another source."""
    frames: int
    """Number of frames that can be decoded (for a folder: of image files)."""
    fps: float
    """Frames a second on average: ``frames / duration_seconds``."""
    duration_seconds: float
    """From the start of the first frame to the end of the last."""
    width: int
    """Pixels, after the rotation that the file asks for."""
    height: int
    """Pixels, after the rotation that the file asks for."""
    damaged: int = 0
    """Packets, frames and images that could not be read as they should be; 0 unless these are passed over."""
    notices: tuple[str, ...] = ()
    """What else was wrong with it, in one line each."""
    start_seconds: float = 0.0
    """Time of the first frame on the clock of a player; not 0 where the sound begins before the picture."""


class Frame(NamedTuple):
    """One decoded frame."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody misses here
    """Position in the video, from 0."""
    seconds: float
    """Presentation time, on the clock that a video player shows; never decreases."""
    image: UInt8[np.ndarray, "height width 3"]
    """RGB, upright."""


class Orientation(NamedTuple):
    """How the frames of a video become upright images of one size, with square pixels: as players show them."""

    width: int
    """Of the frames as they lie in the file, with square pixels."""
    height: int
    """Likewise."""
    transposed: bool
    """Rows become columns; what follows is done after that."""
    flipped_horizontally: bool
    """Left and right are exchanged."""
    flipped_vertically: bool
    """Top and bottom are exchanged."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images."""
        return (self.height, self.width) if self.transposed else (self.width, self.height)

    def image_of(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        """Convert a frame, whose size a stream may change on its way, to RGB."""
        image = frame.to_ndarray(format="rgb24", width=self.width, height=self.height, threads=1)
        image = image.swapaxes(0, 1) if self.transposed else image
        return np.ascontiguousarray(
            image[:: -1 if self.flipped_vertically else 1, :: -1 if self.flipped_horizontally else 1]
        )


class TimedFrame(NamedTuple):
    """A frame in the decoder's own format."""

    number: int
    """Position in the video, from 0."""
    seconds: float
    """When it begins, on the clock that a video player shows; never decreases."""
    end_seconds: float
    """When it ends."""
    frame: av.VideoFrame
    """As it was decoded: neither upright nor RGB."""
    orientation: Orientation
    """The same for all frames of a video."""
    jumped: bool
    """Its time stamp cannot be true; its time is made up."""

    def to_rgb(self) -> UInt8[np.ndarray, "height width 3"]:
        """Return the frame as an upright image."""
        return self.orientation.image_of(self.frame)


def probe(path: str | Path, folder_fps: float = FOLDER_FPS) -> VideoInfo:
    """Measure a video by decoding it once; headers are not trusted.

    Args:
        path: a video file or a folder of images.
        folder_fps: frames a second of a folder of images.

    Raises:
        InputError: there is no such video, or it is unreadable, empty or truncated.
    """
    path = Path(path)
    if path.is_dir():
        files = image_files(path)
        height, width = _read_image(files[0]).shape[:2]
        return VideoInfo(path, len(files), folder_fps, len(files) / folder_fps, width, height)
    first = last = None
    for last in _decode(path):
        first = first or last
    assert first is not None  # _decode refuses videos without frames
    assert last is not None
    duration = last.end_seconds - first.seconds
    return VideoInfo(
        path,
        last.number + 1,
        (last.number + 1) / duration,
        duration,
        *first.orientation.size,
        start_seconds=first.seconds,
    )


def iter_frames(path: str | Path, folder_fps: float = FOLDER_FPS) -> Iterator[Frame]:
    """Yield every frame of a video in order; memory does not depend on its length.

    Args:
        path: a video file or a folder of images.
        folder_fps: frames a second of a folder of images; the first is at 0 seconds.

    Raises:
        InputError: there is no such video, or it is unreadable, empty or truncated (that one after its last
            good frame), or an image of a folder is unreadable or not as large as the first.
    """
    path = Path(path)
    if path.is_dir():
        for index, image in enumerate(_read_images(image_files(path))):
            yield Frame(index, index / folder_fps, image)
        return
    for timed in _decode(path):
        yield Frame(timed.number, timed.seconds, timed.to_rgb())


def read_frames(
    path: str | Path, indices: Sequence[int] | np.ndarray | None = None
) -> UInt8[np.ndarray, "frames height width 3"]:
    """Read all frames of a video, or chosen ones, in one pass.

    Args:
        path: a video file or a folder of images.
        indices: positions of the wanted frames, from 0, at least one, in any order, repeats allowed; all when
            None. Decoding stops behind the largest.

    Raises:
        InputError: as ``iter_frames``; or the video has no frame at one of the indices.
    """
    path = Path(path)
    if indices is None:
        return np.stack([frame.image for frame in iter_frames(path)])
    wanted = [int(index) for index in indices]
    if not wanted or min(wanted) < 0:
        raise ValueError(f"indices must hold at least one position, none below 0; got {wanted}")
    images = _read_chosen(path, set(wanted))
    return np.stack([images[index] for index in wanted])


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of the numbers in their names ("2.jpg" before "10.jpg").

    Raises:
        InputError: the folder holds no images or cannot be read.
    """
    try:
        files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}; check its permissions") from error
    if not files:
        endings = ", ".join(IMAGE_SUFFIXES)
        raise InputError(f"the folder {folder} holds no frames; put images in it ({endings}), or name one with videos")
    return sorted(files, key=lambda file: (_natural_key(file.stem), file.name))


def _natural_key(name: str) -> list[str | int]:
    """Split a name into text and numbers, so that numbers compare by value."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", name))]


def _read_chosen(path: Path, wanted: set[int]) -> dict[int, UInt8[np.ndarray, "height width 3"]]:
    """Read the frames of a set of indices; the others are neither converted nor kept."""
    last = max(wanted)
    images: dict[int, np.ndarray] = {}
    if path.is_dir():
        files = image_files(path)
        count = len(files)
        chosen = sorted(index for index in wanted if index < count)
        images = dict(zip(chosen, _read_images([files[index] for index in chosen]), strict=True))
    else:
        count = 0
        for timed in _decode(path):
            count += 1
            if timed.number in wanted:
                images[timed.number] = timed.to_rgb()
            if timed.number == last:
                break
    if last not in images:
        raise InputError(f"{path} has {count} frames, so there is no frame {last}; correct the number of frames")
    return images


def _read_images(files: Sequence[Path]) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield images that must all have one size."""
    shape = None
    for file in files:
        image = _read_image(file)
        shape = shape or image.shape
        refuse_other_size(file, image.shape, files[0], shape)
        yield image


def refuse_other_size(file: Path, shape: Sequence[int], first: Path, first_shape: Sequence[int]) -> None:
    """Refuse an image of a folder that is not as large as the first.

    Args:
        file: the image.
        shape: its height and width in pixels, first.
        first: the first image of the folder.
        first_shape: its height and width likewise.

    Raises:
        InputError: it is larger or smaller.
    """
    if tuple(shape[:2]) != tuple(first_shape[:2]):
        raise InputError(
            f"{file} is {shape[1]}x{shape[0]} pixels, {first.name} is {first_shape[1]}x{first_shape[0]}; "
            "make all frames of a folder the same size"
        )


def _read_image(file: Path) -> UInt8[np.ndarray, "height width 3"]:
    return decode_image(read_image_bytes(file), str(file))


def read_image_bytes(file: Path) -> bytes:
    """Read an image file as it is.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the image {file}: {error.strerror}; check the file") from error


def decode_image(data: bytes, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Decode the bytes of an image file to RGB; from memory OpenCV refuses truncated files and fills in no grey.

    Args:
        data: the whole file.
        name: what an error calls it.

    Raises:
        InputError: it is no image, or damaged, truncated or empty.
    """
    with quiet_opencv():
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise InputError(f"{name} is not a readable image (damaged, truncated or empty); replace or remove it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def resize_shorter_side(image: UInt8[np.ndarray, "height width 3"], size: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Resize an image so that its shorter side has ``size`` pixels, without distortion.

    Shrinking averages over areas, enlarging is bilinear.
    """
    height, width = image.shape[:2]
    scale = size / min(height, width)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, (max(size, round(width * scale)), max(size, round(height * scale))), interpolation=method)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's own notices away: what is wrong with an image is said once, by us."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _decode(path: Path) -> Iterator[TimedFrame]:
    """Yield the frames of a video file undamaged and in order, or raise the InputError that says why not."""
    if not path.exists():
        raise InputError(f"no such video: {path}; check the path")
    last = None
    try:
        # An absolute path: no file name can be taken for a protocol. Odd metadata is no reason to stop.
        with av.open(str(path.absolute()), metadata_errors="ignore") as container:
            stream = video_stream(path, container)
            for last in timed_frames(container.decode(stream), container, stream):
                yield last
            declared = declared_end(container, stream)
    except av.error.FFmpegError as error:
        where = "" if last is None else f" after frame {last.number} ({last.seconds:.2f} s)"
        remedy = "it is damaged, truncated or no video: replace it or convert it to mp4 anew"
        if isinstance(error, PermissionError):
            remedy = "check its permissions"
        raise InputError(f"cannot read the video {path}{where}: {error.strerror}; {remedy}") from error
    if last is None:
        raise InputError(f"the video {path} has no frames that can be decoded; replace it")
    if declared is not None and last.end_seconds < declared - max(MISSING_SECONDS, 0.05 * declared):
        raise InputError(
            f"the video {path} is truncated: it ends at {last.end_seconds:.2f} of {declared:.2f} s; "
            "replace it, or convert it to mp4 anew to keep the part that is left"
        )


def video_stream(name: str | Path, container: InputContainer) -> VideoStream:
    """Return the first video stream that is no cover picture, to be decoded without threads.

    Args:
        name: what an error calls the video.
        container: the opened video.

    Raises:
        InputError: there is no video in it, or no decoder for it.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams or container.format.name in _NOT_VIDEO_FORMATS:
        raise InputError(f"{name} holds no video; give a video file or a folder of images")
    stream = streams[0]
    codec = stream.codec_context
    if codec is None:
        raise InputError(f"no decoder for the kind of video in {name}; convert it to mp4 (H.264)")
    # Threads, here and in Orientation, gain little (nothing at 640x360); one that is left, held by an exception for
    # example, hangs a data loader's worker that is forked later and frees it.
    codec.thread_count = 1
    return stream


def timed_frames(
    frames: Iterable[av.VideoFrame], container: InputContainer, stream: VideoStream
) -> Iterator[TimedFrame]:
    """Yield frames with seconds since the container's start; missing and false times are made up for."""
    clock = _Clock(container, stream)
    source = iter(frames)
    frame, number = next(source, None), 0
    orientation = None if frame is None else _orientation_of(frame, stream)
    while frame is not None:
        assert orientation is not None  # there is a frame
        stamp = clock.stamp(frame)
        if clock.jumps(stamp):  # the next frame tells whether that is true
            following = next(source, None)
            jumped = clock.jump(stamp, None if following is None else clock.stamp(following))
            yield TimedFrame(number, *clock.go_on(frame), frame, orientation, jumped)
            frame = following
        else:
            clock.seconds = max(stamp, clock.seconds)
            yield TimedFrame(number, *clock.go_on(frame), frame, orientation, False)
            frame = next(source, None)
        number += 1


class _Clock:
    """Makes times that never decrease of the time stamps of frames.

    A stamp that jumps is false if the next one goes on from before the jump, if it jumps back, beyond the end that the
    container tells, or over the longest pause. Where others go on from a false one, time goes on as if none had jumped.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._start = (container.start_time or 0) / av.time_base
        self._interval = float(1 / (stream.average_rate or stream.guessed_rate or FOLDER_FPS))
        self._latest = (
            math.inf if not container.duration else container.duration / av.time_base + TIMESTAMP_JUMP_SECONDS
        )
        self._offset = 0.0
        self._end = 0.0
        self._longest = math.inf  # streams may begin at any time
        self._by_decoding = False
        self.seconds = 0.0
        """Time of the newest frame."""

    def stamp(self, frame: av.VideoFrame) -> float:
        """Return the time that a frame has by its stamp; without one it follows the frame before."""
        stamp: float | None = frame.time
        if self._by_decoding and frame.dts is not None and frame.time_base:
            stamp = float(frame.dts * frame.time_base)
        if stamp is None:
            return self._end
        stamp += self._offset - self._start
        if self._offset and self.jumps(stamp) and not self.jumps(stamp - self._offset):
            stamp, self._offset = stamp - self._offset, 0.0  # back from where it had jumped to
        # Containers without presentation times (avi) have them guessed, wrongly; decoding went on evenly.
        self._by_decoding = self._by_decoding or self.seconds - BACK_SECONDS < stamp < self.seconds
        return stamp

    def jumps(self, stamp: float) -> bool:
        """Say whether a time is far from the newest frame's."""
        return not self.seconds - BACK_SECONDS <= stamp <= self._end + TIMESTAMP_JUMP_SECONDS

    def jump(self, stamp: float, following: float | None) -> bool:
        """Take in a stamp that jumps; say whether it is false.

        Args:
            stamp: the stamp.
            following: the one after it.
        """
        alone = following is not None and not self.jumps(following)
        false = alone or not self.seconds <= stamp <= min(self._latest, self._end + self._longest)
        if false and not alone:
            self._offset += self._end - stamp
        self.seconds = self._end if false else stamp
        return false

    def go_on(self, frame: av.VideoFrame) -> tuple[float, float]:
        """Return when the newest frame begins and ends."""
        length = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else self._interval
        is_true = length <= LONGEST_PAUSE and self.seconds + length <= self._latest
        self._end = self.seconds + (length if is_true else self._interval)
        self._longest = LONGEST_PAUSE
        return self.seconds, self._end


def declared_end(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the end of the video as its header tells, in seconds since the container's start."""
    start = (container.start_time or 0) / av.time_base
    if "matroska" in container.format.name:  # its durations count from time 0, not from the first frame
        if container.duration is None or len(container.streams) > 1:
            return None
        return container.duration / av.time_base - start
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - start
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def _orientation_of(frame: av.VideoFrame, stream: VideoStream) -> Orientation:
    """Read the shape of the pixels, and the display matrix, which may turn and mirror."""
    width, height = frame.width, frame.height
    shape = float(stream.sample_aspect_ratio or 1)
    if PIXEL_SHAPES[0] <= shape <= PIXEL_SHAPES[1]:
        width, height = max(width, round(width * shape)), max(height, round(height / shape))
    try:
        matrix = cast(bytes | None, frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # beside it lies a kind of data, such as EXIF, that PyAV has no name for
        turn = frame.rotation  # degrees, anticlockwise; without the mirroring
        return Orientation(width, height, abs(turn) == 90, turn in (-90, 180, -180), turn in (90, 180, -180))
    if matrix is None:
        return Orientation(width, height, False, False, False)
    # A point (column, row) goes to (a column + c row, b column + d row).
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(width, height, True, c < 0, b < 0)
    return Orientation(width, height, False, a < 0, d < 0)
