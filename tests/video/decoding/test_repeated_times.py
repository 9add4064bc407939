"""Time stamps that repeat, that are missing or that are finer than a container's clock."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from ifdd.errors import InputError
from ifdd.video.encode import VideoWriter
from ifdd.video.frames import Frame, iter_frames, probe
from ifdd.video.sources import SourceOptions, open_video
from ifdd.video.timestamps import Clock
from tests.helpers.videos import frame_number, moving_frames, write_video


@pytest.mark.parametrize(("codec", "b_frames"), [("libx264", 3), ("libx264", 0), ("mpeg4", 2)])
def test_an_avi_has_even_times_from_zero(tmp_path: Path, codec: str, b_frames: int) -> None:
    path = tmp_path / "video.avi"  # holds no presentation times; FFmpeg's guesses repeat and go back
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": str(b_frames)})
        assert isinstance(stream, VideoStream)
        stream.bit_rate = 4_000_000
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in moving_frames(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    video = open_video(path)
    frames = list(video)
    assert [frame_number(frame.image) for frame in frames] == list(range(20))
    assert [frame.seconds for frame in frames] == pytest.approx([index / 25 for index in range(20)])
    assert video.info().notices == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_two_thousand_frames_a_second(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"fast{suffix}", moving_frames(20), fps=2000)
    if suffix == ".mp4":
        path = _mp4_at(tmp_path / "fast.mp4", 2000)
    seconds = [frame.seconds for frame in open_video(path)]
    assert seconds == pytest.approx([index / 2000 for index in range(20)], abs=0.0006)  # Matroska counts milliseconds


def _mp4_at(path: Path, fps: int) -> Path:
    with VideoWriter(path, float(fps)) as writer:
        for index, image in enumerate(moving_frames(20)):
            writer.write(image, index / fps)
    return path


@pytest.mark.parametrize("read", [lambda path: [*open_video(path)], lambda path: [*iter_frames(path)]])
def test_a_clock_that_stands_still_is_replaced_by_the_declared_rate(
    tmp_path: Path, read: Callable[[Path], list[Frame]]
) -> None:
    path = tmp_path / "stuck.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for image in moving_frames(50):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                packet.pts = packet.dts = 0
                container.mux(packet)
    frames = read(path)
    assert [frame_number(frame.image) for frame in frames] == [index % 31 for index in range(50)]
    assert [frame.seconds for frame in frames] == pytest.approx([index / 10 for index in range(50)])
    rest = [frame_number(frame.image) for frame in open_video(path, SourceOptions(start_seconds=3.5))]
    assert rest == [index % 31 for index in range(35, 50)]
    info = probe(path)
    assert info.duration_seconds == pytest.approx(5)
    assert info.notices == ("the time stamps stand still; the frames were read at 10 per second",)


def write_stamped(path: Path, times: Sequence[float], rate: int) -> Path:
    """Write frames with these time stamps, in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        usual = 0
        for image, seconds in zip(moving_frames(len(times)), times, strict=True):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                packet.time_base, packet.pts = Fraction(1, 1000), round(1000 * seconds)
                packet.dts = usual = min(packet.pts, usual + 1000 // rate)
                container.mux(packet)
    return path


@pytest.mark.parametrize("rate", [5, 25])
@pytest.mark.parametrize("burst", [8, 30])
def test_a_clock_that_stands_still_at_first_counts_once_it_moves(tmp_path: Path, burst: int, rate: int) -> None:
    times = [*[0.0] * burst, *(0.2 * (1 + index) for index in range(60))]
    path = write_stamped(tmp_path / "burst.mkv", times, rate)
    frames = list(iter_frames(path))
    assert [frame_number(frame.image) for frame in frames] == [index % 31 for index in range(burst + 60)]
    even = [index / rate for index in range(burst)]  # time never decreases, so it waits for the stamps
    assert [frame.seconds for frame in frames] == pytest.approx([*even, *np.maximum(even[-1], times[burst:])])
    assert probe(path).notices == ()


def test_a_false_time_stamp_does_not_hide_that_a_video_is_truncated(tmp_path: Path) -> None:
    times = [index / 25 for index in range(1000)]
    times[20] += 35
    path = write_stamped(tmp_path / "video.mkv", times, 25)
    assert probe(path).notices == ("1 time stamp was wrong and corrected",)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"video\.mkv is truncated: it ends at \d+\.\d+ of 40\.00 s"):
        probe(path)


def test_a_false_time_stamp_beyond_the_end_does_not_make_a_video_truncated(tmp_path: Path) -> None:
    times = [index / 25 for index in range(100)]
    times[50] += 3600
    info = probe(write_stamped(tmp_path / "video.mkv", times, 25))
    assert info.frames == 100
    assert info.duration_seconds == pytest.approx(4)


@pytest.mark.parametrize("duration", [0, -4000, 40])
def test_frames_last_a_positive_time(tmp_path: Path, duration: int) -> None:
    path = write_video(tmp_path / "video.mkv", moving_frames(3), fps=25)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        for frame in frames:
            frame.duration = duration
        timed = list(Clock(container, container.streams.video[0]).time(frames))
    assert [one.end_seconds - one.seconds for one in timed] == pytest.approx([0.04] * 3)


def test_frames_with_equal_times_are_written_one_tick_apart(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.04, 0.04, 0.08, 0.07, 0.12, 0.16]
    with VideoWriter(tmp_path / "out.mp4", 25.0) as writer:
        for image, seconds in zip(moving_frames(8), times, strict=True):
            writer.write(image, seconds)
    frames = list(open_video(tmp_path / "out.mp4"))
    assert [frame_number(frame.image) for frame in frames] == list(range(8))
    written = [frame.seconds for frame in frames]
    assert np.all(np.diff(written) > 0)
    assert written == pytest.approx(np.maximum.accumulate(times), abs=0.0001)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])  # copied and converted
def test_sound_with_repeated_times_does_not_end_the_output(tmp_path: Path, codec: str) -> None:
    source = tmp_path / "source.mkv"
    with av.open(str(source), "w") as container:
        picture, sound = container.add_stream("mpeg4", rate=25), container.add_stream(codec, rate=48_000)
        assert isinstance(picture, VideoStream)
        assert isinstance(sound, AudioStream)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound.layout = "mono"
        for index, image in enumerate(moving_frames(25)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index
            container.mux(picture.encode(frame))
            samples = np.zeros((1, 1024), np.float32 if codec == "aac" else np.int16)
            voice = av.AudioFrame.from_ndarray(samples, format="fltp" if codec == "aac" else "s16", layout="mono")
            voice.sample_rate, voice.pts, voice.time_base = 48_000, 1024 * index, Fraction(1, 48_000)
            for packet in sound.encode(voice):
                if index % 5 == 4 and packet.dts is not None:  # as where recorders lose the clock
                    packet.dts = packet.pts = packet.dts - (packet.duration or 0)
                container.mux(packet)
        container.mux(picture.encode(None))
    with VideoWriter(tmp_path / "out.mp4", 25.0, sound_of=source) as writer:
        for read in open_video(source):
            writer.write(read.image, read.seconds)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stamps = [packet.dts or 0 for packet in container.demux(audio=0) if packet.size]
    assert len(stamps) >= 20
    assert np.all(np.diff(stamps) > 0)
    assert len(list(open_video(tmp_path / "out.mp4"))) == 25
