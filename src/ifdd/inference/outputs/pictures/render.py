"""The annotated video: frames drawn by ``painter``, with the times and the sound of the source.

Frames are processed one at a time.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from math import inf
from pathlib import Path

import av

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.inference.outputs.pictures.painter import Painter, load_font
from ifdd.inference.results import Results
from ifdd.remote.storage import fetch, is_stored
from ifdd.video.encode import VideoWriter
from ifdd.video.frames import Frame, VideoInfo
from ifdd.video.mark import ANNOTATED
from ifdd.video.sources import SourceOptions, open_video

ROUNDING_SECONDS = 1e-4
"""Times in results that were saved may be off by this much."""


def render_video(results: Results, path: Path) -> None:
    """Write the annotated video, whole or not at all.

    The video is H.264 if FFmpeg supports it, otherwise MPEG-4. Sound that an mp4 cannot hold is converted to AAC.

    Raises:
        InputError: the video cannot be decoded again, the path is the video itself or cannot be written to, or Pillow
            or matplotlib (for the font) is not installed.
    """
    load_font(12, False)  # fails early if the font is missing
    with _file_of(str(results.video.path)) as source:
        if not source.exists():
            raise InputError(f"an annotated video needs the video itself, and {source} is not a file; give a file")
        if path.exists() and path.samefile(source):
            raise InputError(f"the annotated video would replace the video itself, {source}; choose another folder")
        with atomic_path(path, private=True) as temporary:
            _encode(results, source, temporary)


@contextmanager
def _file_of(video: str) -> Iterator[Path]:
    """Yield the file of a video; of one in object storage, a copy that is deleted afterwards.

    Raises:
        InputError: the storage cannot be read.
    """
    if not is_stored(video):
        yield Path(video)
        return
    copy = fetch(video)
    try:
        yield copy
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)


def draw_frames(results: Results, source: Path) -> Iterator[Frame]:
    """Yield the annotated frames of the part that the results cover, with their times in the source.

    Raises:
        InputError: the video cannot be decoded again.
    """
    painter: Painter | None = None
    zero = 0.0
    video = results.video
    options = SourceOptions(image_fps=video.fps, start_seconds=max(0.0, video.start_seconds - ROUNDING_SECONDS))
    with closing(iter(open_video(source, options))) as frames:
        for frame in islice(frames, video.frames):
            if painter is None:
                height, width = frame.image.shape[:2]
                painter, zero = Painter(results, width, height), frame.seconds
            yield frame._replace(image=painter.draw(frame.image, frame.index, frame.seconds - zero))


def _encode(results: Results, source: Path, target: Path) -> None:
    """Write the annotated frames and the sound; for a part of the video, only the sound of that part."""
    video = results.video
    begin, end = _sound_of_part(video, source)
    try:
        with VideoWriter(
            target,
            video.fps,
            quality="good",
            sound_of=source,
            begin_seconds=begin,
            end_seconds=end,
            comment=ANNOTATED,
        ) as writer:
            for frame in draw_frames(results, source):
                writer.write(frame.image, frame.seconds)
    except av.error.FFmpegError as error:
        raise InputError(
            f"cannot write an annotated video of {source}: {error.strerror}; free space or choose another folder"
        ) from error


def _sound_of_part(video: VideoInfo, source: Path) -> tuple[float, float]:
    """Return from when to when the sound belongs to the frames that were read: all of it, if no others are there."""
    is_later = _next_frame(video, source, 0.0) < video.start_seconds - ROUNDING_SECONDS
    is_part = is_later or _next_frame(video, source, video.end_seconds - ROUNDING_SECONDS) < inf
    return video.start_seconds if is_later else 0.0, video.end_seconds if is_part else inf


def _next_frame(video: VideoInfo, source: Path, seconds: float) -> float:
    """Return the time of the first frame that begins at a time or later; infinity if there is none."""
    options = SourceOptions(image_fps=video.fps, start_seconds=max(0.0, seconds))
    with closing(iter(open_video(source, options))) as frames:
        try:
            return next(frames).seconds
        except InputError:  # the end, or damage that hides the rest
            return inf
