"""The clock of a video: times that never decrease, from time stamps that may be missing or wrong."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

TIME_TOLERANCE = 1e-6
"""Times that differ by less than this are equal (seconds)."""

DEFAULT_FPS = 25.0
"""Frames per second assumed if a source declares none, such as a folder of images."""

TIMESTAMP_JUMP_SECONDS = 10.0
"""A time stamp this far behind the end of the previous frame is checked against the next one."""

UNTIMED_FORMATS = ("avi",)
"""Containers without presentation times; frames appear in the order and at the rate of decoding, after its delay."""

LONGEST_PAUSE = 3600.0
"""No frame is shown for longer than this (seconds)."""

BACK_SECONDS = 1.0
"""A time stamp this far before the previous one is wrong rather than rounded."""

STUCK_FRAMES = 8
"""A clock that shows one time for this many frames at the start, or for all of a shorter video, stands still."""


class TimedFrame(NamedTuple):
    """A decoded frame and its time."""

    frame: av.VideoFrame
    """As decoded: neither upright nor RGB."""
    seconds: float
    """Start of the frame on the clock of a video player; never decreases."""
    end_seconds: float
    """End of the frame."""
    jumped: bool
    """The time stamp was false and the time is made up."""


class Clock:
    """Turns the time stamps of frames into times that never decrease.

    A stamp that jumps is false if the next one continues from before the jump, if it jumps back, if it lies beyond the
    end that the container declares, or if it skips more than the longest pause. Where later frames continue from a
    false stamp, time continues as if there had been no jump. While the stamps stand still from the start, frames are
    evenly spaced; once they move on, time waits for them.

    Args:
        container: the opened video.
        stream: its video stream.
        begin_seconds: no frame begins after this by more than a jump; 0 unless reading starts in the middle.

    Attributes:
        fps: the rate that the video declares.
        latest_stamp: the latest time that a stamp gave, even if it was false.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, begin_seconds: float = 0.0) -> None:
        self._start = start_seconds(container)
        self.fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
        self.latest_stamp = -math.inf
        self._stuck: float | None = None  # what a clock shows that stands still
        self._is_ahead = False  # of stamps that move again
        self._interval = 1 / self.fps
        self._latest = (
            math.inf if not container.duration else container.duration / av.time_base + TIMESTAMP_JUMP_SECONDS
        )
        self._offset = 0.0
        self._end = begin_seconds
        self._longest = math.inf  # streams may begin at any time
        # FFmpeg guesses presentation times for containers that have none, wrongly; decoding times are even.
        self._by_decoding = container.format.name in UNTIMED_FORMATS
        self._codec = stream.codec_context
        self._delay: float | None = None  # from decoding to showing a frame
        self._seconds = 0.0  # start of the newest frame

    @property
    def is_stuck(self) -> bool:
        """Whether the stamps have stood still up to now."""
        return self._stuck is not None

    def time(self, frames: Iterable[av.VideoFrame]) -> Iterator[TimedFrame]:
        """Yield frames with their times in seconds since the start of the container."""
        source = self._unless_stuck(iter(frames))
        frame = next(source, None)
        while frame is not None:
            stamp, following, jumped = self._stamp(frame), None, False
            if self._jumps(stamp):  # the next frame shows whether that is true
                following = next(source, None)
                jumped = self._jump(stamp, None if following is None else self._stamp(following))
            else:
                self._seconds = max(stamp, self._seconds)
            yield TimedFrame(frame, *self._span(frame), jumped)
            frame = following or next(source, None)

    def _unless_stuck(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield the frames once it is known whether their clock stands still; a second stamp usually shows that."""
        head: deque[av.VideoFrame] = deque()
        for frame in islice(frames, STUCK_FRAMES):
            head.append(frame)
            if self._by_decoding or frame.time is None or frame.time != head[0].time:
                break
        else:
            self._stuck = head[0].time if len(head) > 1 else None
        while head:  # none is kept longer than it is needed
            yield head.popleft()
        yield from frames

    def _stamp(self, frame: av.VideoFrame) -> float:
        """Return the time that the stamp of a frame gives; a frame without one follows the previous frame."""
        stamp: float | None = frame.time
        if self._delay is None:
            self._delay = self._decoding_delay(frame)
        if stamp is not None:
            self.latest_stamp = max(self.latest_stamp, stamp - self._start)
        if self._is_stuck_at(stamp):
            stamp = None
        elif self._by_decoding:
            stamp = None
            if frame.dts is not None and frame.time_base is not None:
                stamp = float(frame.dts * frame.time_base) - self._delay
        if stamp is None:
            return self._end
        stamp += self._offset - self._start
        if self._is_ahead and stamp < self._seconds:
            return self._seconds
        self._is_ahead = False
        if self._offset and self._jumps(stamp) and not self._jumps(stamp - self._offset):
            stamp, self._offset = stamp - self._offset, 0.0  # back from a false jump
        self._by_decoding = self._by_decoding or self._seconds - BACK_SECONDS < stamp < self._seconds
        return stamp

    def _is_stuck_at(self, stamp: float | None) -> bool:
        """Whether a clock that stood still shows the same as before; if it does not, it never stands still again."""
        if self._stuck is not None and stamp is not None and stamp != self._stuck:
            self._stuck, self._is_ahead = None, True
        return self._stuck is not None

    def _decoding_delay(self, first: av.VideoFrame) -> float:
        """Return by how much the decoding time of a frame, which is that of the newest packet, lies after its own."""
        if first.dts is None or first.time_base is None or not self._codec.has_b_frames:
            return 0.0
        longest = (self._codec.has_b_frames + 1) * self._interval
        return min(max(0.0, float(first.dts * first.time_base) - self._start), longest)

    def _jumps(self, stamp: float) -> bool:
        """Whether a time is far from that of the newest frame."""
        return not self._seconds - BACK_SECONDS <= stamp <= self._end + TIMESTAMP_JUMP_SECONDS

    def _jump(self, stamp: float, following: float | None) -> bool:
        """Take in a stamp that jumps and return whether it is false.

        Args:
            stamp: the stamp.
            following: the one after it.
        """
        alone = following is not None and not self._jumps(following)
        false = alone or not self._seconds <= stamp <= min(self._latest, self._end + self._longest)
        if false and not alone:
            self._offset += self._end - stamp
        self._seconds = self._end if false else stamp
        return false

    def _span(self, frame: av.VideoFrame) -> tuple[float, float]:
        """Return the start and the end of the newest frame."""
        length = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else self._interval
        is_true = 0 < length <= LONGEST_PAUSE and self._seconds + length <= self._latest
        self._end = self._seconds + (length if is_true else self._interval)
        self._longest = LONGEST_PAUSE
        return self._seconds, self._end


def start_seconds(container: InputContainer) -> float:
    """Return the time stamp at which a player's clock shows zero."""
    return (container.start_time or 0) / av.time_base


def declared_end(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the end of the video that its header declares, in seconds since the start of the container."""
    start = start_seconds(container)
    if "matroska" in container.format.name:  # its durations count from time 0, not from the first frame
        if container.duration is None or len(container.streams) > 1:
            return None
        return container.duration / av.time_base - start
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - start
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return None
