"""Which frames make a clip, and which clips make the views of a test: pure functions of numbers.

Every function returns positions in ``[0, num_frames)`` that never decrease along a clip. A video too short for its
clip is stretched over it (frames repeat), never dropped. Randomness comes from a generator alone; without
one, each function gives one fixed answer.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64


def random_clip(
    num_frames: int, clip_length: int, stride: int, generator: np.random.Generator | None
) -> Int64[np.ndarray, " clip_length"]:
    """Return ``clip_length`` frames, every ``stride``-th one, from a random start; the middle one without generator.

    A video shorter than ``(clip_length - 1) * stride + 1`` frames is stretched: the clip spans all of it evenly.

    Args:
        num_frames: length of the video, at least 1.
        clip_length: frames of the clip, at least 1.
        stride: step in frames, at least 1.
        generator: draws the start.
    """
    _check(num_frames, clip_length, stride)
    room = num_frames - _span(clip_length, stride)
    if room < 0:
        return _stretched(num_frames, clip_length)
    start = room // 2 if generator is None else int(generator.integers(room + 1))
    return np.arange(start, start + _span(clip_length, stride), stride, dtype=np.int64)


def uniform_segments(
    num_frames: int, clip_length: int, generator: np.random.Generator | None = None
) -> Int64[np.ndarray, " clip_length"]:
    """Return one frame of each of ``clip_length`` equal segments of the video: a random one, or the centre one.

    The centre frames are DFER-CLIP's test sampling, the random ones its training sampling. Segments are
    equal in time, not rounded to whole frames, so that no frames are left over at the end; in a video with
    fewer frames than segments, neighbouring segments share a frame.

    Args:
        num_frames: length of the video, at least 1.
        clip_length: frames of the clip, at least 1.
        generator: draws the place in each segment; the centre when None.
    """
    _check(num_frames, clip_length)
    place = 0.5 if generator is None else generator.random(clip_length)
    positions = (np.arange(clip_length) + place) * (num_frames / clip_length)
    return np.minimum(positions.astype(np.int64), num_frames - 1)


def consecutive_clips(num_frames: int, clip_length: int, stride: int) -> Int64[np.ndarray, "views clip_length"]:
    """Return the clips that follow one another from the first frame without overlap: IFDD's test on DFEW.

    Frames left over at the end, too few for a clip, belong to no clip. A video too short for one clip is
    stretched to one, as in ``random_clip``.

    Args:
        num_frames: length of the video, at least 1.
        clip_length: frames of a clip, at least 1.
        stride: step in frames within a clip, at least 1.
    """
    _check(num_frames, clip_length, stride)
    room = num_frames - _span(clip_length, stride)
    if room < 0:
        return _stretched(num_frames, clip_length)[None]
    starts = np.arange(0, room + 1, clip_length * stride, dtype=np.int64)
    return starts[:, None] + stride * np.arange(clip_length, dtype=np.int64)


Sampler = Callable[[int, int, int, np.random.Generator | None], Int64[np.ndarray, "*views clip_length"]]

SAMPLERS: dict[str, Sampler] = {
    "random_clip": random_clip,
    "uniform_segments": lambda frames, length, stride, generator: uniform_segments(frames, length, generator),
    "consecutive_clips": lambda frames, length, stride, generator: consecutive_clips(frames, length, stride),
}
"""Name -> function of (num_frames, clip_length, stride, generator); the segments span the video whatever the stride."""

TEST_SAMPLING = {
    "random_clip": "one clip from the middle of the video",
    "uniform_segments": "the centre frame of each of equal segments of the video",
    "consecutive_clips": "consecutive clips without overlap from the first frame on, averaged",
}
"""Name -> what the sampler does without a generator, for reports."""

SEVERAL_VIEWS = ("consecutive_clips",)
"""The samplers that give (views, clip_length) positions, one view for each clip; they are for tests alone."""


def _span(clip_length: int, stride: int) -> int:
    """Return the number of frames from the first to the last frame of a clip, both included."""
    return (clip_length - 1) * stride + 1


def _stretched(num_frames: int, clip_length: int) -> Int64[np.ndarray, " clip_length"]:
    """Return positions that spread a clip evenly over a whole video, first and last frame included."""
    return np.rint(np.linspace(0, num_frames - 1, clip_length)).astype(np.int64)


def _check(num_frames: int, clip_length: int, stride: int = 1) -> None:
    if min(num_frames, clip_length, stride) < 1:
        raise ValueError(
            f"frames, clip length and stride must be at least 1, not {num_frames}, {clip_length}, {stride}"
        )
