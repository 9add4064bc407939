"""The state of each clip on disk: how many frames it has, and whether they are readable."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from ifdd.data.timing import Timing, timing_of
from ifdd.errors import InputError
from ifdd.video.frames import iter_frames, measure, read_frames
from ifdd.video.images import image_files, is_frame, number_positions, quiet_opencv
from ifdd.video.suffixes import ANIMATED_SUFFIXES

Thoroughness = Literal["none", "first", "all"]
"""Which frames of a clip are decoded to check that they are readable."""


_ANIMATED = (*ANIMATED_SUFFIXES, ".apng", ".avifs", ".gif")
"""Endings of files that state how long each picture stays; in others, the last duration is often a mistake."""

Origin = Literal["file", "stated", "assumed"]
"""Where the times of frames come from: the video file, a statement of user or dataset, or nowhere."""


class ClipState(NamedTuple):
    """The state of one clip on disk."""

    frames: int
    """Number of frames; 0 if there are none or they are unreadable."""
    problem: str = ""
    """Why there are no readable frames; empty if there are."""
    missing: bool = False
    """Whether the path does not exist or contains no frames."""
    notices: tuple[str, ...] = ()
    """What was chosen or converted to read the clip, one line each."""
    timing: Timing | None = None
    """When the frames are shown; None for folders of images until ``rates`` finds out."""
    origin: Origin = "assumed"
    """Where the timing comes from."""
    positions: tuple[int, ...] = ()
    """Place in time of each image, from 0, where numbers are missing in their names; empty elsewhere."""


def scan_clips(
    sources: Mapping[str, Path], decode: Thoroughness, workers: int, advance: Callable[[], object] = lambda: None
) -> dict[str, ClipState]:
    """Count the frames of clips and check that they are readable, in parallel threads.

    A folder has as many frames as images. Videos are decoded, whatever ``decode`` says: packets may hold no picture
    (VP8), headers may lie, and cover pictures are no frames.

    Args:
        sources: clip id -> folder of images or video.
        decode: which frames to decode.
        workers: threads.
        advance: called after each clip, for a progress bar.
    """
    found: dict[str, ClipState] = {}
    with quiet_opencv(), ThreadPoolExecutor(workers, thread_name_prefix="ifdd") as pool:
        states = pool.map(lambda source: _scan_clip(source, decode), sources.values(), chunksize=1)
        for clip_id, state in zip(sources, states, strict=True):
            found[clip_id] = state
            advance()
    return found


def _scan_clip(source: Path, decode: Thoroughness) -> ClipState:
    """Count and check the frames of one clip."""
    try:
        empty = not _has_images(source)
    except NotADirectoryError:
        return _scan_video(source)
    except FileNotFoundError:
        return ClipState(0, "path does not exist", missing=True)
    except ValueError as error:  # the name holds a character that no disk takes
        return ClipState(0, f"path is not a name of a file ({error})", missing=True)
    except OSError as error:
        return ClipState(0, f"the folder is unreadable ({error.strerror})")
    if empty:
        return ClipState(0, "the folder contains no frames", missing=True)
    return _checked(source, decode)


def _scan_video(source: Path) -> ClipState:
    try:
        info, seconds = measure(source)
    except InputError as error:
        return ClipState(0, str(error))
    end = info.end_seconds if source.name.lower().endswith(_ANIMATED) else None
    return ClipState(info.frames, notices=info.notices, timing=timing_of(seconds, end=end), origin="file")


def _checked(source: Path, decode: Thoroughness) -> ClipState:
    """Find the images of a folder and their places in time, and decode the requested ones."""
    try:
        positions, notices = number_positions(image_files(source))
        if decode == "first":
            read_frames(source, [0])
        elif decode == "all":
            for _ in iter_frames(source):
                pass
    except InputError as error:
        return ClipState(0, str(error))
    has_gaps = positions[-1] >= len(positions)
    return ClipState(len(positions), notices=tuple(notices), positions=tuple(positions) if has_gaps else ())


def _has_images(folder: Path) -> bool:
    """Return whether ``image_files`` would list any file."""
    with os.scandir(folder) as entries:
        return any(map(is_frame, entries))
