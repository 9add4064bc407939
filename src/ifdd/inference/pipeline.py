"""The stages of reading a video, side by side: decoding, detection, tracking; the model is the caller's.

Each stage is a generator that consumes the one before it, and that a thread of its own runs ahead, within bounds. Every
item passes the stages in order, so results do not depend on their speeds.
"""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from inspect import GEN_RUNNING, getgeneratorstate
from typing import Any, NamedTuple, TypeVar, cast

from ifdd.inference.stream import Sighting, Stream
from ifdd.inference.windows import Window
from ifdd.video.frames import Frame
from ifdd.video.sources import VideoSource

MOST_AHEAD = 12
"""Frames that may wait between two stages: enough to bridge a detection and a batch of the model."""

LIVE_AHEAD = 2
"""The same for a live source, where waiting frames are late.

No frame is dropped: if the computer is too slow, frames wait in the network or at the camera, and readings come later
and later.
"""

AHEAD_BYTES = 50_000_000
"""Bytes that may wait between two stages: few of the largest frames, but at least one."""

Item = TypeVar("Item")
_END = object()


class Progress(NamedTuple):
    """The progress of reading a video."""

    frames: int
    """Frames read."""
    seconds: float
    """Time from the first frame to the newest one."""
    expected_seconds: float | None
    """Approximate length of what is to be read; None if unknown."""
    faces: int
    """Faces in sight."""


def follow_ahead(video: VideoSource, stream: Stream) -> Generator[tuple[Progress, list[Window]], None, None]:
    """Yield, for each frame of a video, the progress and the windows that are full.

    When it ends or is closed, the threads have ended and the video is closed. Closing waits for the frames being
    processed, and for a silent URL until its timeout.

    Raises:
        InputError: as the video.
    """
    with ExitStack() as stages:  # they end in the opposite order, so that none waits for another
        frames = iter(video)
        stages.callback(_close, frames)
        first = next(frames)
        count = LIVE_AHEAD if video.live else max(1, min(MOST_AHEAD, AHEAD_BYTES // first.image.nbytes))
        decoded = stages.enter_context(_ahead(_decode(first, frames), count))
        looked = stages.enter_context(_ahead(_look(decoded, stream), count))
        followed = stages.enter_context(_ahead(_follow(looked, stream, video), count))
        stages.callback(video.stop)  # first of all: the threads may wait for a pipe that is silent
        yield from followed


def follow_in_turns(video: VideoSource, stream: Stream) -> Generator[tuple[Progress, list[Window]], None, None]:
    """Yield the same without threads: each stage waits for the one before.

    Raises:
        InputError: as the video.
    """
    with closing(iter(video)) as frames:
        yield from _follow(_look(_decode(next(frames), frames), stream), stream, video)


@contextmanager
def _ahead(items: Generator[Item, None, None], count: int) -> Iterator[Iterator[Item]]:
    """Give what a generator yields, computed by a thread of its own up to ``count`` items ahead.

    An error of the generator is raised where its item would have come. At the end, the thread finishes its current
    item, and the generator is closed.
    """
    try:
        with ThreadPoolExecutor(1) as thread:
            waiting: deque[Future[Any]] = deque(thread.submit(next, items, _END) for _ in range(count))

            def take() -> Iterator[Item]:
                while (item := waiting.popleft().result()) is not _END:
                    waiting.append(thread.submit(next, items, _END))
                    yield cast(Item, item)

            try:
                yield take()
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        _close(items)


def _close(items: Generator[Any, None, None]) -> None:
    """Close a generator, unless a thread is still in it because an interruption cut the waiting for it short."""
    if getgeneratorstate(items) != GEN_RUNNING:
        items.close()


def _decode(first: Frame, others: Iterator[Frame]) -> Generator[Frame, None, None]:
    yield first._replace(seconds=0.0)
    for frame in others:
        yield frame._replace(seconds=frame.seconds - first.seconds)


def _look(frames: Iterator[Frame], stream: Stream) -> Generator[tuple[Frame, Sighting], None, None]:
    for frame in frames:
        yield frame, stream.watcher.look(frame.image, frame.seconds)


def _follow(
    looked: Iterator[tuple[Frame, Sighting]], stream: Stream, video: VideoSource
) -> Generator[tuple[Progress, list[Window]], None, None]:
    for frame, sighting in looked:
        windows = stream.follow(frame.image, frame.seconds, sighting)
        expected = min(
            (seconds for seconds in (video.expected_seconds, video.options.maximum_seconds) if seconds is not None),
            default=None,
        )
        yield Progress(frame.index + 1, frame.seconds, expected, len(stream.in_sight)), windows
