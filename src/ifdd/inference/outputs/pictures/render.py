"""The annotated video: frames drawn by ``painter``, with the times and the sound of the source.

Frames are processed one at a time.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from math import inf
from pathlib import Path

import av

from ifdd.errors import InputError
from ifdd.files import atomic_path, refuse_replacing
from ifdd.inference.outputs.pictures.painter import Painter, load_font
from ifdd.inference.results import Results
from ifdd.remote.storage import fetch, is_stored, named_by_address
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
        refuse_replacing(path, f"the video itself, {source}", source)
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
        with named_by_address(copy, video):
            yield copy
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)


def draw_frames(results: Results, source: Path) -> Iterator[Frame]:
    """Yield the annotated frames of the part that the results cover, with their times in the source.

    Raises:
        InputError: the video cannot be decoded again.
    """
    with closing(_frames_from(results.video.start_seconds, results.video, source)) as frames:
        yield from _draw(results, frames)


def _frames_from(seconds: float, video: VideoInfo, source: Path) -> Generator[Frame, None, None]:
    options = SourceOptions(image_fps=video.fps, start_seconds=max(0.0, seconds - ROUNDING_SECONDS))
    return iter(open_video(source, options))


def _draw(results: Results, frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the annotated frames of the part that the results cover, the first frames of all."""
    painter: Painter | None = None
    zero = 0.0
    for frame in islice(frames, results.video.frames):
        if painter is None:
            height, width = frame.image.shape[:2]
            painter, zero = Painter(results, width, height), frame.seconds
        yield frame._replace(image=painter.draw(frame.image, frame.index, frame.seconds - zero))


def _encode(results: Results, source: Path, target: Path) -> None:
    """Write the annotated frames and the sound; for a part of the video, only the sound of that part."""
    video = results.video
    with closing(_frames_from(0.0, video, source)) as frames:
        is_later = next(frames).seconds < video.start_seconds - ROUNDING_SECONDS
    try:
        with (
            closing(_frames_from(video.start_seconds, video, source)) as frames,
            VideoWriter(
                target,
                video.fps,
                quality="good",
                sound_of=source,
                begin_seconds=video.start_seconds if is_later else 0.0,
                end_seconds=video.end_seconds,
                comment=ANNOTATED,
            ) as writer,
        ):
            for frame in _draw(results, frames):
                writer.write(frame.image, frame.seconds)
            if not is_later and next(frames, None) is None:  # the whole video, with all of its sound
                writer.end_seconds = inf
    except av.error.FFmpegError as error:
        raise InputError(
            f"cannot write an annotated video of {source}: {error.strerror}; free space or choose another folder"
        ) from error
