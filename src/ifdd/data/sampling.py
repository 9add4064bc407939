"""Which frames form a clip, and which clips form the views of a test: pure functions of numbers.

Every function returns positions in ``[0, num_frames)`` that never decrease along a clip. A video too short for its
clip is stretched over it (frames repeat), never dropped. All randomness comes from the generator; without one, each
function is deterministic.

``clip_positions`` chooses them in time, for clips of any frame rate: see ``timing``.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64

from ifdd.data.timing import Timing, frame_ends, same_rate
from ifdd.video.timestamps import TIME_TOLERANCE


def random_clip(
    num_frames: int, clip_length: int, stride: int, generator: np.random.Generator | None
) -> Int64[np.ndarray, " clip_length"]:
    """Return ``clip_length`` frames at steps of ``stride`` from a random start; without generator, the middle clip.

    A video shorter than ``(clip_length - 1) * stride + 1`` frames is stretched: the clip spans all of it evenly.

    Args:
        num_frames: frames of the video, at least 1.
        clip_length: frames of the clip, at least 1.
        stride: step in frames, at least 1.
        generator: draws the start.

    Example:
        >>> from ifdd.data.sampling import random_clip
        >>> random_clip(10, 4, stride=2, generator=None)  # the middle
        array([1, 3, 5, 7])
        >>> random_clip(3, 4, stride=1, generator=None)  # stretched
        array([0, 1, 1, 2])
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
    """Return one frame from each of ``clip_length`` equal segments of the video: a random one, or the centre one.

    The centre frames are DFER-CLIP's test sampling, the random ones its training sampling. Segments are equal in time,
    not rounded to whole frames, so that no frames remain at the end; if the video has fewer frames than segments,
    neighbouring segments share a frame.

    Args:
        num_frames: frames of the video, at least 1.
        clip_length: frames of the clip, at least 1.
        generator: draws the position in each segment; None for the centre.

    Example:
        >>> from ifdd.data.sampling import uniform_segments
        >>> uniform_segments(20, 4)
        array([ 2,  7, 12, 17])
    """
    _check(num_frames, clip_length)
    place = 0.5 if generator is None else generator.random(clip_length)
    positions = (np.arange(clip_length) + place) * (num_frames / clip_length)
    return np.minimum(positions.astype(np.int64), num_frames - 1)


def _segment_places(clip_length: int, generator: np.random.Generator | None) -> Float64[np.ndarray, " clip_length"]:
    """Return the places of ``uniform_segments`` as shares of the video, 0 to 1."""
    place = 0.5 if generator is None else generator.random(clip_length)
    return (np.arange(clip_length) + place) / clip_length


def consecutive_clips(num_frames: int, clip_length: int, stride: int) -> Int64[np.ndarray, "views clip_length"]:
    """Return consecutive clips without overlap from the first frame on: IFDD's test sampling on DFEW.

    Remaining frames at the end, too few for a clip, are not used. A video too short for one clip is stretched to one,
    as in ``random_clip``.

    Args:
        num_frames: frames of the video, at least 1.
        clip_length: frames of a clip, at least 1.
        stride: step in frames within a clip, at least 1.

    Example:
        >>> from ifdd.data.sampling import consecutive_clips
        >>> consecutive_clips(10, 4, stride=1)
        array([[0, 1, 2, 3],
               [4, 5, 6, 7]])
    """
    _check(num_frames, clip_length, stride)
    room = num_frames - _span(clip_length, stride)
    if room < 0:
        return _stretched(num_frames, clip_length)[None]
    starts = np.arange(0, room + 1, clip_length * stride, dtype=np.int64)
    return starts[:, None] + stride * np.arange(clip_length, dtype=np.int64)


def spaced_clips(num_frames: int, clip_length: int, stride: int, views: int) -> Int64[np.ndarray, "views clip_length"]:
    """Return ``views`` equally spaced clips, the first at the video's start, the last at its end; 1: in the middle.

    These are the temporal views of VideoMAE's and MAE-DFER's tests. Clips that would coincide are returned once, so a
    video with fewer starts than ``views`` gives fewer clips; a video too short for a clip is stretched to one, as in
    ``random_clip`` (MAE-DFER repeats its last frame).

    Args:
        num_frames: frames of the video, at least 1.
        clip_length: frames of a clip, at least 1.
        stride: step in frames within a clip, at least 1.
        views: clips, at least 1.

    Example:
        >>> from ifdd.data.sampling import spaced_clips
        >>> spaced_clips(10, 4, stride=1, views=2)
        array([[0, 1, 2, 3],
               [6, 7, 8, 9]])
    """
    _check(num_frames, clip_length, stride, views)
    room = num_frames - _span(clip_length, stride)
    if room < 0:
        return _stretched(num_frames, clip_length)[None]
    starts = np.unique(np.arange(views) * room // (views - 1)) if views > 1 else np.array([room // 2])
    return starts[:, None] + stride * np.arange(clip_length, dtype=np.int64)


def crop_corners(height: int, width: int, crops: int) -> list[tuple[int, int]]:
    """Return (top, left) of square crops of a frame along its longer side; their side is the frame's shorter side.

    1: the centre; 2: both ends; 3: both ends and the centre. Crops that would coincide are returned once, so a square
    frame has one: the 2 crops that MAE-DFER takes from frames it made square before are identical.

    Args:
        height: of the frame, in pixels.
        width: of the frame, in pixels.
        crops: 1, 2 or 3.
    """
    if crops not in _CROPS:
        raise ValueError(f"crops must be 1, 2 or 3, not {crops}")
    room = max(height, width) - min(height, width)
    places = {1: (room // 2,), 2: (0, room), 3: (0, room // 2, room)}[crops]
    return [(place, 0) if height > width else (0, place) for place in sorted(set(places))]


Sampler = Callable[[int, int, int, int, np.random.Generator | None], Int64[np.ndarray, "*views clip_length"]]

SAMPLERS: dict[str, Sampler] = {
    "random_clip": lambda frames, length, stride, views, generator: random_clip(frames, length, stride, generator),
    "uniform_segments": lambda frames, length, stride, views, generator: uniform_segments(frames, length, generator),
    "consecutive_clips": lambda frames, length, stride, views, generator: consecutive_clips(frames, length, stride),
    "spaced_clips": lambda frames, length, stride, views, generator: spaced_clips(frames, length, stride, views),
}
"""Name -> function of (num_frames, clip_length, stride, views, generator); ``clip_positions`` uses them in time.

``uniform_segments`` ignores the stride; only ``spaced_clips`` uses ``views``.
"""


def clip_positions(
    sampling: str,
    num_frames: int,
    clip_length: int,
    stride: int,
    views: int,
    generator: np.random.Generator | None,
    timing: Timing | None = None,
    clock_fps: float | None = None,
) -> Int64[np.ndarray, "*views clip_length"]:
    """Return the frames of a clip by a sampler that counts the ticks of a clock, not frames.

    Clips of one motion at several rates give frames of the same times. Without timing or clock, and where evenly spaced
    frames have the rate of the clock, a tick is a frame: the positions are those of the sampler itself.

    Args:
        sampling: name in ``SAMPLERS``.
        num_frames: frames of the video, at least 1.
        clip_length: frames of the clip, at least 1.
        stride: step in ticks, at least 1.
        views: as for the samplers.
        generator: draws at random; the draws do not depend on the rate of the clip.
        timing: when the frames are shown; None if it is not known.
        clock_fps: ticks a second; None counts frames.

    Example:
        >>> from ifdd.data.sampling import clip_positions
        >>> from ifdd.data.timing import Timing
        >>> clip_positions("random_clip", 60, 4, 1, 1, None, Timing(60.0), clock_fps=30.0)  # 1 s
        array([27, 29, 31, 33])
    """
    sampler = SAMPLERS[sampling]
    even = timing is None or not timing.durations
    if timing is None or (even and (sampling == "uniform_segments" or clock_fps is None)):
        return sampler(num_frames, clip_length, stride, views, generator)
    if sampling == "uniform_segments":
        _check(num_frames, clip_length)
        seconds = _segment_places(clip_length, generator) * _length(num_frames, timing)
        return _frames_at(seconds, num_frames, timing)
    clock = clock_fps or timing.fps
    if even and same_rate(timing.fps, clock):
        return sampler(num_frames, clip_length, stride, views, generator)
    ticks = max(1, round(_length(num_frames, timing) * clock))
    return _frames_at((sampler(ticks, clip_length, stride, views, generator) + 0.5) / clock, num_frames, timing)


def _length(num_frames: int, timing: Timing) -> float:
    """Return the duration of a clip in seconds."""
    return float(frame_ends(timing.durations)[-1]) if timing.durations else num_frames / timing.fps


def _frames_at(
    seconds: Float64[np.ndarray, "*views clip_length"], num_frames: int, timing: Timing
) -> Int64[np.ndarray, "*views clip_length"]:
    """Return the frames that are shown at times; a frame that begins at that time counts, whatever the rounding."""
    if timing.durations:
        found = np.searchsorted(frame_ends(timing.durations), seconds + TIME_TOLERANCE, side="right")
    else:
        found = np.floor((seconds + TIME_TOLERANCE) * timing.fps)
    return np.minimum(found.astype(np.int64), num_frames - 1)


TEST_SAMPLING = {
    "random_clip": "one clip from the middle of the video",
    "uniform_segments": "the centre frame of each of equal segments of the video",
    "consecutive_clips": "consecutive clips without overlap from the first frame on, averaged",
    "spaced_clips": "{views} clips at equal distances from the video's start to its end, averaged",
}
"""Name -> what the sampler does without a generator, for ``describe_sampling``."""

SEVERAL_VIEWS = ("consecutive_clips", "spaced_clips")
"""Samplers that return (views, clip_length) positions, one view per clip; for tests only."""

_CROPS = {
    1: "the centre square of each frame",
    2: "the squares at both ends of the longer side of each frame, averaged (one if it is square)",
    3: "the squares at both ends and the centre of the longer side of each frame, averaged (one if it is square)",
}


def describe_sampling(name: str, views: int, crops: int) -> str:
    """Describe which frames, and which parts of them, a test with a sampler uses."""
    meaning = TEST_SAMPLING["random_clip" if name == "spaced_clips" and views == 1 else name].format(views=views)
    return f"{meaning}; {_CROPS[crops]}"


def _span(clip_length: int, stride: int) -> int:
    """Return the number of frames from the first to the last frame of a clip, inclusive."""
    return (clip_length - 1) * stride + 1


def _stretched(num_frames: int, clip_length: int) -> Int64[np.ndarray, " clip_length"]:
    """Return positions spread evenly over a whole video, including its first and last frame."""
    return np.rint(np.linspace(0, num_frames - 1, clip_length)).astype(np.int64)


def _check(num_frames: int, clip_length: int, stride: int = 1, views: int = 1) -> None:
    if min(num_frames, clip_length, stride, views) < 1:
        raise ValueError(
            "frames, clip length, stride and views must be at least 1, "
            f"not {num_frames}, {clip_length}, {stride}, {views}"
        )
