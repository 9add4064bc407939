"""Run the stages of recognition in parallel: decoding, analysis, tracking; the caller runs the model.

Each stage is a generator that consumes the previous one; a separate thread runs it a bounded number of items ahead.
Items pass the stages in order, so results do not depend on speed.
"""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from inspect import GEN_RUNNING, getgeneratorstate
from itertools import chain
from typing import Any, NamedTuple, TypeVar, cast

from ifdd.inference.stream import FrameAnalysis, Stream
from ifdd.inference.windows import Window
from ifdd.video.frames import Frame
from ifdd.video.sources import VideoSource

MOST_AHEAD = 8
"""Frames that may wait between two stages: enough to bridge a face search and a batch of the model."""

LIVE_AHEAD = 2
"""The same for a live source, where each waiting frame adds delay.

No frame is dropped: if the computer is too slow, frames queue in the network or the camera, and the delay grows.
"""

AHEAD_BYTES = 50_000_000
"""Bytes that may wait between two stages; at least one frame may wait, however large."""

Item = TypeVar("Item")
_END = object()


class Progress(NamedTuple):
    """Progress in a video."""

    frames: int
    """Number of frames so far."""
    seconds: float
    """Time from the first frame to the newest one."""
    expected_seconds: float | None
    """Approximate duration of the part to be read; None if unknown."""
    faces: int
    """Number of active tracks."""


def follow_ahead(video: VideoSource, stream: Stream) -> Generator[tuple[Progress, list[Window]], None, None]:
    """Yield the progress and the windows to classify, for each frame of a video.

    When the generator ends or is closed, its threads end and the video is closed. Closing waits for the frames being
    processed, and for a silent URL until its timeout.

    Raises:
        InputError: as the video.
    """
    with ExitStack() as stages:  # closed in reverse order, so that no stage waits for another
        frames = iter(video)
        stages.callback(_close, frames)
        first = next(frames)
        count = LIVE_AHEAD if video.live else max(1, min(MOST_AHEAD, AHEAD_BYTES // first.image.nbytes))
        decoded = stages.enter_context(_ahead(_decode(first, frames, video.origin_seconds), count))
        analyzed = stages.enter_context(_ahead(_analyze(decoded, stream), count))
        followed = stages.enter_context(_ahead(_follow(analyzed, stream, video), count))
        stages.callback(video.stop)  # closed first: a thread may be waiting for a silent pipe
        yield from followed


def follow_in_turns(video: VideoSource, stream: Stream) -> Generator[tuple[Progress, list[Window]], None, None]:
    """Yield the same without threads: the stages take turns.

    Raises:
        InputError: as the video.
    """
    with closing(iter(video)) as frames:
        decoded = _decode(next(frames), frames, video.origin_seconds)
        yield from _follow(_analyze(decoded, stream), stream, video)


@contextmanager
def _ahead(items: Generator[Item, None, None], count: int) -> Iterator[Iterator[Item]]:
    """Iterate over a generator that a separate thread runs up to ``count`` items ahead.

    An error in the generator is raised in place of its item. At the end, the thread finishes its current item, and the
    generator is closed.
    """
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="ifdd") as thread:
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
    """Close a generator, unless a thread still runs it because an interruption ended the wait for the thread."""
    if getgeneratorstate(items) != GEN_RUNNING:
        items.close()


def _decode(first: Frame, others: Iterator[Frame], origin_seconds: float) -> Generator[Frame, None, None]:
    for frame in chain([first], others):
        yield frame._replace(seconds=frame.seconds - origin_seconds)


def _analyze(frames: Iterator[Frame], stream: Stream) -> Generator[tuple[Frame, FrameAnalysis], None, None]:
    for frame in frames:
        yield frame, stream.analyzer.analyze(frame.image, frame.seconds)


def _follow(
    analyzed: Iterator[tuple[Frame, FrameAnalysis]], stream: Stream, video: VideoSource
) -> Generator[tuple[Progress, list[Window]], None, None]:
    for frame, analysis in analyzed:
        windows = stream.follow(frame.image, frame.seconds, analysis)
        expected = min(
            (seconds for seconds in (video.expected_seconds, video.most_seconds) if seconds is not None),
            default=None,
        )
        seconds = frame.seconds - video.offset_seconds
        yield Progress(frame.index + 1, seconds, expected, len(stream.in_sight)), windows
