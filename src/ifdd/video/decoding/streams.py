"""Which of the streams of a file is its video: one choice for everything that reads videos."""

from collections.abc import Sequence
from typing import NamedTuple

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ifdd.errors import InputError
from ifdd.limits import check_size, decoder_limit
from ifdd.video.decoding.opening import open_input

COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
"""Streams that are never the video: cover pictures and thumbnails of chapters."""

PEEKED_PACKETS = 256
"""Packets of a file that are read to find out which streams hold one picture only."""

_NOT_VIDEO_FORMATS = ("tty",)  # FFmpeg renders plain text files as moving ANSI art


class ChosenStream(NamedTuple):
    """The video stream of a container."""

    stream: VideoStream
    """Set up for decoding without threads."""
    notices: list[str]
    """One line on the streams that were left out, if there are any."""


def choose_stream(name: str, container: InputContainer, file: str | None = None) -> ChosenStream:
    """Choose the video stream that players show: of those that are no cover, the default one, then the largest.

    Streams of one picture come last, because covers are not always marked as such.

    Args:
        name: name of the video in messages.
        container: the opened video.
        file: its path, if it can be opened again.

    Raises:
        InputError: there is no video stream, no decoder for any, or its frames are too large: see ``ifdd.limits``.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & COVERS]
    if not streams or container.format.name in _NOT_VIDEO_FORMATS:
        raise InputError(f"{name} holds no video; give a video file or a folder of images")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise InputError(f"no decoder for the kind of video in {name}; convert it to mp4 (H.264)")
    single = _single_pictures(known, file) if len(known) > 1 else set()

    def rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
        is_default = bool(stream.disposition & Disposition.default)
        return stream.index not in single, is_default, _area(stream), -stream.index

    chosen = max(known, key=rank)
    # Threads, here and in conversion, gain little (nothing at 640x360). One that survives, held by an exception for
    # example, hangs a data loader's worker that is forked later and frees it.
    chosen.codec_context.thread_count = 1
    check_size(name, chosen.codec_context.width, chosen.codec_context.height)
    chosen.codec_context.options = {**chosen.codec_context.options, "max_pixels": str(decoder_limit())}
    others = [stream for stream in streams if stream.index != chosen.index]
    # An animated AVIF begins with a still picture, and keeps transparency in streams of its own.
    is_animation = container.metadata.get("major_brand") in ("avis", "avif")
    return ChosenStream(chosen, [_notice(chosen, others)] if others and not is_animation else [])


def _area(stream: VideoStream) -> int:
    return stream.codec_context.width * stream.codec_context.height


def _single_pictures(streams: Sequence[VideoStream], file: str | None) -> set[int]:
    """Return the indices of the streams that hold one picture, as far as that can be found out."""
    single = {stream.index for stream in streams if stream.frames == 1 or stream.disposition & Disposition.still_image}
    unknown = {stream.index for stream in streams if not stream.frames} - single
    if not unknown or file is None:
        return single
    counts = dict.fromkeys((stream.index for stream in streams), 0)
    with open_input(file) as container:
        try:
            for number, packet in enumerate(container.demux(list(container.streams.video))):
                counts[packet.stream.index] = counts.get(packet.stream.index, 0) + bool(packet.size)
                if number >= PEEKED_PACKETS:
                    break
        except av.error.FFmpegError:
            pass  # what was seen so far has to do
    moving = any(count > 1 for count in counts.values())
    return single | {index for index in unknown if moving and counts[index] <= 1}


def _notice(chosen: VideoStream, others: Sequence[VideoStream]) -> str:
    names = ", ".join(map(_describe, others))
    return f"there are {len(others) + 1} video streams: {_describe(chosen)} was read, not {names}"


def _describe(stream: VideoStream) -> str:
    codec: VideoCodecContext | None = stream.codec_context
    if codec is None:
        return f"stream {stream.index} (no decoder)"
    is_default = ", default" if stream.disposition & Disposition.default else ""
    return f"stream {stream.index} ({codec.name}, {codec.width}x{codec.height}{is_default})"
