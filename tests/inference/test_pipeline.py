"""Parallel stages: the same results, one error, no thread left, few frames read ahead."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from select import select

import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import Recognizer, WindowOptions
from ifdd.inference.pipeline import LIVE_AHEAD, MOST_AHEAD, Progress, follow_ahead
from ifdd.inference.reader import Readings
from ifdd.inference.stream import Stream
from ifdd.model import load_checkpoint
from ifdd.video.frames import Frame
from ifdd.video.sources import SourceOptions, VideoSource, open_video
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.processes import LIMIT_SECONDS, wait_until
from tests.helpers.videos import write_video

PLACES = {i: (30 + 0.1 * i, 48.0) if i < 40 else (38.0, 33.0) for i in range(75)}
TWO = disc_frames(75, PLACES, [40] * 40 + [200] * 35)
TWO[20:, 20:76, 80:120] = TWO[20:, 20:76, 15:55]


class Generated(VideoSource):
    """Generates frames on demand and counts them."""

    def __init__(self, count: int, make: Callable[[int], np.ndarray], fps: float = 25.0) -> None:
        super().__init__("generated", SourceOptions())
        self.made = 0
        self.closed = False
        self._count, self._make, self._fps = count, make, fps

    def close(self) -> None:
        self.closed = True

    def _read(self) -> Iterator[tuple[Frame, float]]:
        for index in range(self._count):
            self.made = index + 1
            yield Frame(index, 3 + index / self._fps, self._make(index)), 3 + (index + 1) / self._fps


def recognizer(checkpoint: Path) -> Recognizer:
    return Recognizer(load_checkpoint(checkpoint), DiscDetector())


def with_model(recognizer: Recognizer, before: Callable[[], None]) -> Recognizer:
    """Call a function before each batch of the model."""
    read = recognizer.reader.read_batch

    def read_batch(clips: np.ndarray) -> Readings:
        before()
        return read(clips)

    recognizer.reader.read_batch = read_batch  # type: ignore[method-assign]
    return recognizer


@pytest.mark.slow
@pytest.mark.parametrize("hurry", ["decoder", "detector", "model"])
def test_parallel_stages_give_the_same_results_as_stages_in_turns(checkpoint: Path, hurry: str) -> None:
    """Every number is the same, whichever stage is slow."""

    def delay(stage: str) -> None:
        time.sleep(0.004 if stage != hurry else 0)

    class Detector(DiscDetector):
        def detect(self, image: np.ndarray) -> list[FaceBox]:
            delay("detector")
            return super().detect(image)

    def make(index: int) -> np.ndarray:
        delay("decoder")
        return TWO[index]

    tracking = TrackingOptions(detect_every=2)
    windows = WindowOptions(batch_size=3)
    slow = with_model(Recognizer(load_checkpoint(checkpoint), Detector(), tracking, windows), lambda: delay("model"))
    recognition = slow.recognize(Generated(75, make))
    stream = Stream(slow.reader, Detector(), tracking, windows, least_windows=3, keep_tracks=True)
    expected = [entry for index in range(75) for entry in stream.read(TWO[index], (3 + index / 25) - 3)]
    expected += stream.finish((3 + 75 / 25) - 3)
    assert recognition.timeline == tuple(sorted(expected, key=lambda entry: (entry.start_seconds, entry.track)))
    assert recognition.tracks == stream.tracks()
    assert len(recognition.tracks) == 4
    assert recognition.shot_boundaries_seconds == tuple(stream.shot_boundaries_seconds)
    assert recognition.shot_boundaries_seconds == pytest.approx((1.6,))

    def alone(_: Progress) -> None:
        assert threading.active_count() == threads

    threads = threading.active_count()
    assert slow.recognize(Generated(75, make), alone, in_turns=True) == recognition


@pytest.mark.parametrize("stage", ["decoder", "detector", "model", "listener"])
def test_an_error_in_any_stage_is_raised_once_and_ends_all_stages(checkpoint: Path, stage: str) -> None:
    class Detector(DiscDetector):
        def detect(self, image: np.ndarray) -> list[FaceBox]:
            if stage == "detector" and image[0, 0, 0] > 100:
                raise InputError("detector")
            return super().detect(image)

    def fail() -> None:
        if stage == "model":
            raise InputError("model")

    def make(index: int) -> np.ndarray:
        if stage == "decoder" and index == 50:
            raise InputError("decoder")
        return TWO[index]

    def listen(progress: Progress) -> None:
        if stage == "listener" and progress.frames == 30:
            raise InputError("listener")

    source = Generated(75, make)
    with pytest.raises(InputError, match=stage):
        with_model(Recognizer(load_checkpoint(checkpoint), Detector()), fail).recognize(source, listen)
    assert source.closed


def test_an_interruption_ends_all_stages(checkpoint: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.frames == 10:
            raise KeyboardInterrupt

    source = Generated(10_000, lambda index: TWO[0])
    with pytest.raises(KeyboardInterrupt):
        recognizer(checkpoint).recognize(source, interrupt)
    assert source.closed
    assert source.made < 100


def test_an_interruption_ends_a_silent_pipe(checkpoint: Path, tmp_path: Path) -> None:
    """It ends the thread that waits for the pipe and those that wait for that thread."""
    content = write_video(tmp_path / "a.mkv", disc_frames(75)).read_bytes()
    reading_end, writing_end = os.pipe()
    reading, writing = os.fdopen(reading_end, "rb"), os.fdopen(writing_end, "wb")
    late = threading.Timer(LIMIT_SECONDS, writing.close)  # otherwise a failure would never end
    late.start()

    def interrupt(progress: Progress) -> None:
        if progress.frames == 40:
            wait_until(lambda: not select([reading], [], [], 0)[0], "all that was written to be read")
            raise KeyboardInterrupt

    writing.write(content[: len(content) * 9 // 10])
    writing.flush()
    with reading, writing:
        with pytest.raises(KeyboardInterrupt):
            recognizer(checkpoint).recognize(open_video("-", stdin=reading), interrupt)
        assert late.is_alive()
        late.cancel()
    late.join()


@pytest.mark.parametrize("live", [False, True])
def test_few_frames_are_read_ahead(checkpoint: Path, live: bool) -> None:
    source = Generated(10_000, lambda index: TWO[0])
    source.live = live
    with closing(follow_ahead(source, recognizer(checkpoint).stream())) as followed:
        for _ in range(30):
            progress, _ = next(followed)
            time.sleep(0.005)
            # three stages between source and caller, each with its queue and its current frame
            assert source.made - progress.frames <= 3 * ((LIVE_AHEAD if live else MOST_AHEAD) + 1)
    assert source.closed


def test_frames_of_8k_are_read_one_at_a_time(checkpoint: Path) -> None:
    class Blind:
        name = "blind"

        def detect(self, image: np.ndarray) -> list[FaceBox]:
            return []

    source = Generated(100, lambda index: np.zeros((4320, 7680, 3), np.uint8))
    with closing(follow_ahead(source, Recognizer(load_checkpoint(checkpoint), Blind()).stream())) as followed:
        next(followed)
        time.sleep(0.2)
        assert source.made <= 7


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(checkpoint: Path) -> None:
    """Apart from the boxes and windows of the result."""

    def peak(count: int) -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        source = Generated(count, lambda index: TWO[0].copy())

        def fill(progress: Progress) -> None:
            if progress.frames == 40:
                wait_until(lambda: source.made >= min(count, 40 + 3 * MOST_AHEAD), "all queues to be full")

        recognizer(checkpoint).recognize(source, fill)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(50)
        # The queues of threads differ a little from run to run; memory that grows does so every time.
        most = 300_000  # 300 frames are 11 MB, their crops 3.7 MB
        assert any(-peak(150) + peak(450) < most for _ in range(4))
    finally:
        tracemalloc.stop()


def test_progress_gives_frames_time_and_faces(checkpoint: Path) -> None:
    reported: list[Progress] = []
    source = Generated(50, lambda index: TWO[index])
    source.expected_seconds = 2.0
    recognizer(checkpoint).recognize(source, reported.append)
    assert [progress.frames for progress in reported] == list(range(1, 51))
    assert reported[0] == (1, 0.0, 2.0, 1)
    assert reported[-1].seconds == pytest.approx(1.96)
    assert reported[30].faces == 2


def test_the_expected_time_is_the_requested_one(checkpoint: Path) -> None:
    source = Generated(50, lambda index: TWO[0])
    source.options = SourceOptions(maximum_seconds=1.0)
    reported: list[Progress] = []
    recognizer(checkpoint).recognize(source, reported.append)
    assert {progress.expected_seconds for progress in reported} == {1.0}
    assert len(reported) == 25
