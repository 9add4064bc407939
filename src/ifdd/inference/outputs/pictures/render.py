"""The annotated video: frames drawn by ``painter``, with the times and the sound of the source.

Frames are processed one at a time.
"""

from collections.abc import Iterator
from contextlib import closing
from math import inf
from pathlib import Path

import av

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.inference.outputs.pictures.painter import Painter, load_font
from ifdd.inference.results import Results
from ifdd.video.encode import VideoWriter
from ifdd.video.frames import Frame
from ifdd.video.mark import ANNOTATED
from ifdd.video.sources import SourceOptions, open_video
from ifdd.video.timestamps import TIME_TOLERANCE


def render_video(results: Results, path: Path) -> None:
    """Write the annotated video, whole or not at all.

    The video is H.264 if FFmpeg supports it, otherwise MPEG-4. Sound that an mp4 cannot hold is converted to AAC.

    Raises:
        InputError: the video cannot be decoded again, the path is the video itself or cannot be written to, or Pillow
            or matplotlib (for the font) is not installed.
    """
    load_font(12, False)  # fails early if the font is missing
    source = Path(results.video.path)
    if not source.exists():
        raise InputError(f"an annotated video needs the video itself, and {source} is not a file; give a file")
    if path.exists() and path.samefile(source):
        raise InputError(f"the annotated video would replace the video itself, {source}; choose another folder")
    with atomic_path(path, private=True) as temporary:
        _encode(results, source, temporary)


def draw_frames(results: Results, source: Path) -> Iterator[Frame]:
    """Yield the annotated frames of the part that the results cover, with their times in the source.

    Raises:
        InputError: the video cannot be decoded again.
    """
    painter: Painter | None = None
    zero = 0.0
    video = results.video
    options = SourceOptions(
        image_fps=video.fps, start_seconds=video.start_seconds, maximum_seconds=video.duration_seconds
    )
    for frame in open_video(source, options):
        if painter is None:
            height, width = frame.image.shape[:2]
            painter, zero = Painter(results, width, height), frame.seconds
        yield frame._replace(image=painter.draw(frame.image, frame.index, frame.seconds - zero))


def _encode(results: Results, source: Path, target: Path) -> None:
    """Write the annotated frames and the sound; for a part of the video, only the sound of that part."""
    video = results.video
    with closing(iter(open_video(source, SourceOptions(image_fps=video.fps)))) as frames:
        is_later = next(frames).seconds < video.start_seconds - TIME_TOLERANCE
    part = (video.start_seconds, video.end_seconds) if is_later else (0.0, inf)
    try:
        with VideoWriter(
            target,
            video.fps,
            quality="good",
            sound_of=source,
            begin_seconds=part[0],
            end_seconds=part[1],
            comment=ANNOTATED,
        ) as writer:
            for frame in draw_frames(results, source):
                writer.write(frame.image, frame.seconds)
    except av.error.FFmpegError as error:
        raise InputError(
            f"cannot write an annotated video of {source}: {error.strerror}; free space or choose another folder"
        ) from error
