"""The state of each clip on disk: how many frames it has, and whether they are readable."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from ifdd.data.timing import Timing, timing_of
from ifdd.errors import InputError
from ifdd.video.frames import iter_frames, measure, read_frames
from ifdd.video.images import is_frame, quiet_opencv

Thoroughness = Literal["none", "first", "all"]
"""Which frames of a clip are decoded to check that they are readable."""


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
        frames = _count_images(source)
    except NotADirectoryError:
        return _scan_video(source)
    except FileNotFoundError:
        return ClipState(0, "path does not exist", missing=True)
    except ValueError as error:  # the name holds a character that no disk takes
        return ClipState(0, f"path is not a name of a file ({error})", missing=True)
    except OSError as error:
        return ClipState(0, f"the folder is unreadable ({error.strerror})")
    if not frames:
        return ClipState(0, "the folder contains no frames", missing=True)
    return _checked(source, frames, decode)


def _scan_video(source: Path) -> ClipState:
    try:
        info, seconds = measure(source)
    except InputError as error:
        return ClipState(0, str(error))
    return ClipState(info.frames, notices=info.notices, timing=timing_of(seconds), origin="file")


def _checked(source: Path, frames: int, decode: Thoroughness) -> ClipState:
    """Decode the requested images of a folder; if those are all, they determine the number of frames."""
    try:
        if decode == "first":
            read_frames(source, [0])
        elif decode == "all":
            frames = sum(1 for _ in iter_frames(source))
    except InputError as error:
        return ClipState(0, str(error))
    return ClipState(frames)


def _count_images(folder: Path) -> int:
    """Count the files that ``image_files`` would list, without sorting or comparing them."""
    with os.scandir(folder) as entries:
        return sum(map(is_frame, entries))
