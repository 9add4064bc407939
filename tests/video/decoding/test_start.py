"""Reading can start anywhere, with the same frames as full decoding from there on."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from ifdd.errors import InputError
from ifdd.video.decoding import containers
from ifdd.video.decoding.containers import ContainerReader
from ifdd.video.decoding.orientation import Orientations
from ifdd.video.frames import Frame
from ifdd.video.sources import SourceOptions, VideoSource, open_video
from tests.helpers.videos import damage_packets, moving_frames, write_frame_folder, write_video

STARTS = (0.5, 3.99, 4.0, 7.53)
"""Seconds: before any keyframe that could be sought, and before, at and behind frames."""


def write_sparse(path: Path, encoding: dict[str, str], codec: str = "libx264") -> Path:
    """Write 8 s at 25 frames per second, with few keyframes."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=encoding)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for image in moving_frames(200):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def read_from(path: str | Path, start: float, **kwargs: Any) -> tuple[VideoSource, list[Frame]]:
    video = open_video(path, SourceOptions(start_seconds=start), **kwargs)
    return video, list(video)


def assert_equal(found: list[Frame], whole: list[Frame], start: float) -> None:
    expected = [frame for frame in whole if frame.seconds >= start - 1e-6]
    assert [frame.index for frame in found] == list(range(len(expected)))
    assert [frame.seconds for frame in found] == pytest.approx([frame.seconds for frame in expected], abs=1e-9)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("open_gop", [False, True])
def test_frames_are_those_of_full_decoding(tmp_path: Path, suffix: str, open_gop: bool) -> None:
    """In open groups of pictures, frames before a keyframe are stored after it."""
    encoding = {"g": "60", "bf": "3", "x264-params": f"open-gop={int(open_gop)}"}
    path = write_sparse(tmp_path / f"video{suffix}", encoding)
    whole = list(open_video(path))
    for start in STARTS:
        video, frames = read_from(path, start)
        assert_equal(frames, whole, start)
        info = video.info()
        assert info.start_seconds == frames[0].seconds
        assert info.duration_seconds == pytest.approx(8 - frames[0].seconds, abs=0.01)
        assert (info.frames, info.damaged, info.notices) == (len(frames), 0, ())
        assert video.expected_seconds == pytest.approx(8 - start, abs=0.1)


def test_frames_before_the_keyframe_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[av.VideoFrame] = []
    usual = ContainerReader._decode

    def count(reader: ContainerReader) -> Iterator[av.VideoFrame]:
        for frame in usual(reader):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(ContainerReader, "_decode", count)
    path = write_sparse(tmp_path / "video.mp4", {"g": "50", "bf": "3", "sc_threshold": "0"})
    assert len(read_from(path, 7.0)[1]) == 25
    assert len(decoded) <= 25 + 100


def test_with_a_wrong_index_everything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sparse(tmp_path / "video.mp4", {"g": "60"})
    whole = list(open_video(path))
    monkeypatch.setattr(ContainerReader, "_is_sound_start", lambda *_: False)
    video, frames = read_from(path, 6.0)
    assert_equal(frames, whole, 6.0)
    assert video.info().damaged == 0


def test_a_file_that_is_opened_again_is_read_from_its_new_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sparse(tmp_path / "video.mp4", {"g": "60"})
    used: list[object] = []

    class Recording(Orientations):
        def __init__(self, stream: VideoStream) -> None:
            used.append(stream)
            super().__init__(stream)

    monkeypatch.setattr(ContainerReader, "_is_sound_start", lambda *_: False)
    monkeypatch.setattr(containers, "Orientations", Recording)
    with closing(ContainerReader("video", str(path), start_seconds=6.0)) as reader:
        before = reader._stream
        next(reader.read())
        assert used == [reader._stream] != [before]  # what is closed is freed: to look at it may end the process


def test_damage_before_the_start_is_not_counted(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "video.mkv", {"g": "50"}, "mpeg2video")
    damage_packets(path, 15, 25, 26)
    whole = open_video(path)
    assert len(list(whole)) == 197
    assert whole.damaged == 3
    for start, damaged in ((0.5, 3), (0.8, 2), (1.5, 0)):
        video, frames = read_from(path, start)
        assert video.damaged == damaged
        assert frames[0].seconds == pytest.approx(start, abs=0.05)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_whose_picture_begins_late_is_complete_from_an_earlier_start(tmp_path: Path, suffix: str) -> None:
    times = [5 + index / 25 for index in range(50)]
    path = write_video(tmp_path / f"late{suffix}", moving_frames(50), times=times)
    whole = list(open_video(path))
    for start in (0.1, whole[0].seconds, whole[0].seconds + 1):
        assert_equal(read_from(path, start)[1], whole, start)


def test_the_maximum_time_counts_from_the_start(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "video.mp4", {"g": "60"})
    video = open_video(path, SourceOptions(start_seconds=5.0, maximum_seconds=0.4))
    assert [frame.seconds for frame in video] == pytest.approx(5 + np.arange(10) / 25, abs=1e-3)


def test_images_are_skipped_by_their_time(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(12))
    (folder / "2.png").write_bytes(b"damaged, but skipped")
    (folder / "7.png").write_bytes(b"damaged")
    video = open_video(folder, SourceOptions(image_fps=10.0, start_seconds=0.3))
    assert video.expected_seconds == pytest.approx(0.9)
    frames = list(video)
    assert [frame.seconds for frame in frames] == pytest.approx([0.3, 0.4, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1])
    assert [frame.index for frame in frames] == list(range(8))
    info = video.info()
    assert (info.damaged, info.start_seconds, info.fps) == (1, 0.3, 10.0)


def test_frames_of_a_pipe_before_the_start_are_dropped(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "video.mkv", {"g": "60"})
    whole = list(open_video(path))
    video, frames = read_from("-", 6.0, stdin=io.BytesIO(path.read_bytes()))
    assert_equal(frames, whole, 6.0)
    assert video.info().start_seconds == pytest.approx(6.0)


def test_images_of_a_camera_before_the_start_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        def __init__(self) -> None:
            self.images = [np.full((48, 64, 3), level, np.uint8) for level in range(10)]

        def read(self) -> tuple[bool, Any]:
            return bool(self.images), self.images.pop(0) if self.images else None

        def release(self) -> None:
            pass

    ticks = iter(np.arange(0, 20, 0.5).tolist())
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))
    video, frames = read_from("camera:0", 2.0, capture=Camera())
    assert [frame.image[0, 0, 0] for frame in frames] == list(range(3, 10))
    assert [frame.seconds for frame in frames] == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
    assert video.info().start_seconds == 0


@pytest.mark.parametrize("kind", ["video.mp4", "video.mkv", "video.ts", "folder", "-"])
def test_a_start_beyond_the_end_is_reported_in_one_line(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        path, end = write_frame_folder(tmp_path / kind, moving_frames(12)), "0.48"
    else:
        path, end = write_sparse(tmp_path / kind.replace("-", "video.mkv"), {"g": "60"}), "8.00"
    stdin = io.BytesIO(path.read_bytes()) if kind == "-" else None
    with pytest.raises(InputError, match=rf"ends at {end} s, .* source.start_seconds 40; choose an earlier") as caught:
        read_from("-" if kind == "-" else path, 40.0, stdin=stdin)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_a_start_before_the_beginning_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"source\.start_seconds is .*; it must be at least 0"):
        SourceOptions(start_seconds=value)
