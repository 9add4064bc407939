"""The frames of dataset videos: files of any kind that FFmpeg reads, or folders of numbered images.

Damage that changes which frames or pixels come is refused; wrong time stamps are corrected, with a notice. Videos are
decoded one frame at a time, so memory does not grow with their length.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.video.decoding.damage import gap_notices
from ifdd.video.fitting import PictureSize, SizeLog, letterbox
from ifdd.video.images import ImageReader
from ifdd.video.paths import open_path
from ifdd.video.readers import Reader
from ifdd.video.timestamps import DEFAULT_FPS


@dataclass(frozen=True)
class VideoInfo:
    """What one pass over a video found."""

    path: Path | str
    """The video file, the folder of images, or the name of another source."""
    frames: int
    """Number of frames that were decoded (``probe`` counts the files of a folder instead)."""
    fps: float
    """Frames per second on average, ``frames / duration_seconds``; for images, the rate they were read at."""
    duration_seconds: float
    """From the start of the first frame to the end of the last."""
    width: int
    """Pixels of the first frame, after the rotation that the file asks for."""
    height: int
    """Pixels of the first frame, after the rotation that the file asks for."""
    damaged: int = 0
    """Packets, frames and images that could not be read properly; 0 unless damage is passed over."""
    notices: tuple[str, ...] = ()
    """Anything else that was wrong, one line each."""
    start_seconds: float = 0.0
    """Time of the first frame that was read, on the clock of a player; above 0 if sound precedes the picture or
    ``SourceOptions.start_seconds`` skipped frames, 0 for live sources."""

    sizes: tuple[PictureSize, ...] = ()
    """The sizes of the picture, the first one included; empty if it never changes."""
    files: tuple[str, ...] = ()
    """Name of the file of each frame; empty unless the video is a folder of images."""

    @property
    def end_seconds(self) -> float:
        """End of the last frame on the clock of a player."""
        return self.start_seconds + self.duration_seconds


class Frame(NamedTuple):
    """One decoded frame."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    """Position from 0, counted from the first frame that was read."""
    seconds: float
    """Presentation time on the clock of a video player; never decreases."""
    image: UInt8[np.ndarray, "height width 3"]
    """RGB, upright; its size may change within a video."""


def probe(path: str | Path, folder_fps: float = DEFAULT_FPS) -> VideoInfo:
    """Measure a video by decoding it once; headers are not trusted.

    Args:
        path: a video file or a folder of images, of which only the first is decoded.
        folder_fps: frames per second of a folder of images.

    Raises:
        InputError: the video does not exist, or is unreadable, empty, damaged or truncated.
    """
    return measure(path, folder_fps)[0]


def measure(path: str | Path, folder_fps: float = DEFAULT_FPS) -> tuple[VideoInfo, list[float]]:
    """Measure a video as ``probe`` does, and return the time of every frame as well, as ``Frame.seconds``.

    Raises:
        InputError: as ``probe``.
    """
    with closing(_open(path, folder_fps)) as reader:
        frames = reader.read()
        first = next(frames)
        if isinstance(reader, ImageReader):
            count, duration = len(reader.files), (reader.positions[-1] + 1) / folder_fps
            info = VideoInfo(Path(path), count, folder_fps, duration, *first.size, notices=tuple(reader.notices))
            return info, [position / folder_fps for position in reader.positions]
        times, last, log = [first.seconds], first, SizeLog()
        log.add(0, 0.0, first.size)
        for frame in frames:
            log.add(len(times), frame.seconds - first.seconds, frame.size)
            times.append(frame.seconds)
            last = frame
        notices = (*reader.notices, *gap_notices(reader.gaps), *log.notices())
    duration = last.end_seconds - first.seconds
    info = VideoInfo(
        Path(path), len(times), len(times) / duration, duration, *first.size,
        notices=notices, start_seconds=first.seconds, sizes=log.sizes,
    )  # fmt: skip
    return info, times


def iter_frames(path: str | Path, folder_fps: float = DEFAULT_FPS) -> Iterator[Frame]:
    """Yield every frame of a video in order; memory does not depend on its length.

    Args:
        path: a video file or a folder of images.
        folder_fps: frames per second of a folder of images; the first is at 0 seconds.

    Raises:
        InputError: the video does not exist, or is unreadable, empty, damaged or truncated, or an image of a folder is
            unreadable. Damage may be found only some frames later.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from ifdd.video import iter_frames, write_video
        >>> write_video(Path("grey.mp4"), [np.full((48, 64, 3), 128, np.uint8)] * 3, fps=25.0)
        >>> [(frame.index, frame.seconds, frame.image.shape) for frame in iter_frames("grey.mp4")]
        [(0, 0.0, (48, 64, 3)), (1, 0.04, (48, 64, 3)), (2, 0.08, (48, 64, 3))]
    """
    with closing(_open(path, folder_fps)) as reader:
        for index, frame in enumerate(reader.read()):
            yield Frame(index, frame.seconds, frame.to_rgb())


def read_frames(
    path: str | Path, indices: Sequence[int] | np.ndarray | None = None
) -> UInt8[np.ndarray, "frames height width 3"]:
    """Read all frames of a video, or chosen ones, in one pass.

    Where the picture changes its size, each frame lies undistorted in a canvas as wide and as high as the largest of
    those that are returned; ``read_images`` leaves them as they are.

    Args:
        path: a video file or a folder of images.
        indices: positions of the frames from 0, at least one, in any order, repeats allowed; None reads all frames.
            Decoding stops after the largest.

    Raises:
        InputError: as ``iter_frames``; or the video has no frame at one of the indices.
    """
    images = [frame.image for frame in iter_frames(path)] if indices is None else read_images(path, indices)
    canvas = max(image.shape[1] for image in images), max(image.shape[0] for image in images)
    return np.stack([letterbox(image, canvas) for image in images])


def read_images(path: str | Path, indices: Sequence[int] | np.ndarray) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """Read chosen frames as ``read_frames``, each in its own size."""
    wanted = [int(index) for index in indices]
    if not wanted or min(wanted) < 0:
        raise ValueError(f"indices must hold at least one position, none below 0; got {wanted}")
    images = _read_chosen(path, set(wanted))
    return [images[index] for index in wanted]


def _open(path: str | Path, folder_fps: float = DEFAULT_FPS) -> Reader:
    return open_path(Path(path), folder_fps, strict=True)


def _read_chosen(path: str | Path, wanted: set[int]) -> dict[int, UInt8[np.ndarray, "height width 3"]]:
    """Read the frames of a set of indices; the others are neither converted nor kept."""
    last, count = max(wanted), 0
    images: dict[int, np.ndarray] = {}
    with closing(_open(path)) as reader:
        if isinstance(reader, ImageReader):
            count = len(reader.files)
            if last < count:
                chosen = sorted(wanted)
                reader.choose(chosen)
                return {index: frame.to_rgb() for index, frame in zip(chosen, reader.read(), strict=True)}
        else:
            for index, frame in enumerate(reader.read()):
                count = index + 1
                if index in wanted:
                    images[index] = frame.to_rgb()
                if index == last:
                    return images
    raise InputError(f"{path} has {count} frames, so there is no frame {last}; correct the number of frames")
