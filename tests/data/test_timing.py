"""Times of frames travel from the file to the clip: see ``ifdd.data.timing``."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.data.packs.writer import write_pack
from ifdd.data.sampling import SAMPLERS, clip_positions
from ifdd.data.timing import Timing, clock_rate, durations_text, parse_durations, timing_of
from ifdd.errors import InputError
from ifdd.video.frames import measure
from tests.helpers.videos import moving_frames

RATES = (24.0, 30.0, 60.0)


def write_at(path: Path, milliseconds: list[int]) -> Path:
    """Write a video whose frames begin at these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(1000))
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pts, image in zip(milliseconds, moving_frames(len(milliseconds), 32, 32, seed=1), strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("sampling", SAMPLERS)
@pytest.mark.parametrize("seed", [None, 5])
def test_one_motion_at_several_rates_gives_frames_of_the_same_times(sampling: str, seed: int | None) -> None:
    times = []
    for fps in RATES:
        generator = None if seed is None else np.random.default_rng(seed)
        chosen = clip_positions(sampling, round(3 * fps), 16, 2, 2, generator, Timing(fps), 30.0)
        times.append((chosen + 0.5) / fps)
    assert times[0].shape == times[1].shape == times[2].shape
    for other in (times[0], times[2]):
        assert np.abs(other - times[1]).max() <= 1 / 24 / 2 + 1 / 30 / 2


@pytest.mark.parametrize("sampling", SAMPLERS)
@pytest.mark.parametrize(("fps", "clock"), [(25.0, 25.0), (29.97, 30.0), (25.0, None)])
def test_at_the_rate_of_the_clock_frames_are_counted_as_published(
    sampling: str, fps: float, clock: float | None
) -> None:
    for frames in (5, 40, 333):
        expected = SAMPLERS[sampling](frames, 16, 2, 3, np.random.default_rng(1))
        found = clip_positions(sampling, frames, 16, 2, 3, np.random.default_rng(1), Timing(fps), clock)
        assert np.array_equal(found, expected)


def test_segments_of_evenly_spaced_frames_are_the_published_ones_at_any_rate() -> None:
    expected = SAMPLERS["uniform_segments"](47, 16, 1, 1, None)
    assert np.array_equal(clip_positions("uniform_segments", 47, 16, 1, 1, None, Timing(60.0), 10.0), expected)


def test_twice_the_rate_takes_every_second_frame_without_jitter() -> None:
    chosen = clip_positions("random_clip", 180, 16, 1, 1, None, Timing(60.0), 30.0)
    assert set(np.diff(chosen).tolist()) == {2}


def test_uneven_frames_are_chosen_by_time() -> None:
    timing = timing_of([0.0, 0.1, 0.2, 0.3, 1.3, 2.3, 3.3])  # 4 fast frames, then slow ones
    assert timing.durations
    chosen = clip_positions("uniform_segments", 7, 4, 1, 1, None, timing, None)
    assert chosen.tolist() == [3, 4, 5, 6]
    assert SAMPLERS["uniform_segments"](7, 4, 1, 1, None).tolist() == [0, 2, 4, 6], "by index, time is lost"


@pytest.mark.parametrize("clock", [2.0, None])
def test_consecutive_frames_are_chosen_by_time_too(clock: float | None) -> None:
    timing = timing_of([0.0, 0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 3.5])  # 8 frames in 4 s: 2 a second on average
    assert timing.durations
    assert timing.fps == pytest.approx(2.0)
    # at the middles of ticks of half a second, 0.25 s, 0.75 s, ..., the frames 2, 3, 4, 4, 5, 5, 6, 7 are shown
    assert clip_positions("random_clip", 8, 4, 1, 1, None, timing, clock).tolist() == [4, 4, 5, 5]
    assert clip_positions("consecutive_clips", 8, 3, 1, 1, None, timing, clock).tolist() == [[2, 3, 4], [4, 5, 5]]
    assert SAMPLERS["consecutive_clips"](8, 3, 1, 1, None).tolist() == [[0, 1, 2], [3, 4, 5]], "by index, time is lost"


@pytest.mark.parametrize("rate", [12.5, 24000 / 1001, 25.0, 30000 / 1001, 59.94, 240.0])
def test_rates_are_read_from_rounded_stamps(rate: float) -> None:
    stamps = [round(1000 * index / rate) / 1000 for index in range(150)]
    found = timing_of(stamps)
    assert found.fps == pytest.approx(rate, rel=2e-4)
    assert not found.durations


def test_frames_left_out_take_their_time_with_them() -> None:
    seconds = [index / 50 for index in range(100)]
    assert timing_of(seconds, [*range(10), *range(80, 100)]) == Timing(50.0)
    assert timing_of([0.0]) == Timing(25.0)


def test_the_last_frame_lasts_to_the_end_if_that_is_known() -> None:
    assert timing_of([0.0, 0.04], end=1.0) == Timing(2.0, "40 960")
    assert timing_of([0.0, 0.04, 0.08], [0, 1], end=9.0) == Timing(25.0)


def test_durations_survive_as_text() -> None:
    text = durations_text([0.04, 0.04, 0.4215, 0.04])
    assert text == "40*2 421.5 40"
    assert parse_durations(text) == pytest.approx((0.04, 0.04, 0.4215, 0.04))
    for damaged in ("40 x", "40*", "-1", "0*3"):
        with pytest.raises(InputError, match="durations"):
            parse_durations(damaged)


def test_the_clock_is_the_median_unless_stated() -> None:
    assert clock_rate([24.0, None, 60.0, 60.0]) == 60.0
    assert clock_rate([], None) == 25.0
    assert clock_rate([60.0], 25.0) == 25.0


def test_times_travel_from_a_file_through_manifest_and_pack_to_the_clip(tmp_path: Path) -> None:
    stamps = [*range(0, 400, 40), *range(1000, 1400, 40)]
    video = write_at(tmp_path / "uneven.mkv", stamps)
    timing = timing_of(measure(video)[1])
    assert timing.durations == "40*9 640 40*10"
    sample = Sample("a", video, len(stamps), "happy", "test", fps=timing.fps, durations=timing.durations)
    write_manifest(tmp_path / "manifest.csv", [sample])
    write_manifest(tmp_path / "manifest.parquet", [sample])
    for name in ("manifest.csv", "manifest.parquet"):
        (read,) = Manifest.read(tmp_path / name).samples
        assert read == sample
        assert read.seconds() == pytest.approx(1.4)
    (packed,) = write_pack(tmp_path / "frames.pack", [read])
    chosen = ClipDataset([packed], "dfew", 8, 32).frame_indices(0)
    assert chosen.tolist() == [2, 6, 9, 9, 9, 9, 13, 17]
    assert not np.array_equal(chosen, SAMPLERS["uniform_segments"](20, 8, 1, 1, None))


@pytest.mark.parametrize(
    ("columns", "cells", "message"),
    [
        ("fps", "fast", "fps is 'fast'; it must be a number"),
        ("fps", "-3", "above 0"),
        ("fps,durations", "25,40*3", "durations are those of 3 frames, not 4"),
        ("durations", "forty", "write milliseconds"),
    ],
)
def test_bad_times_in_a_manifest_are_named(tmp_path: Path, columns: str, cells: str, message: str) -> None:
    (tmp_path / "a").mkdir()
    text = f"clip_id,path,frames,label,subset,fold,subject,votes,{columns}\na,a,4,happy,test,0,,,{cells}\n"
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(InputError, match=f"line 2, clip 'a': .*{message}"):
        Manifest.read(tmp_path / "manifest.csv")
