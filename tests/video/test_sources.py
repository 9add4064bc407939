"""Odd, damaged and endless videos: as much as possible is read, and what was wrong is said."""

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.video.frames import probe, read_frames
from ifdd.video.sources import SourceOptions, open_video
from tests.helpers.processes import LIMIT_SECONDS, run
from tests.helpers.servers import FileHandler, serving_files
from tests.helpers.videos import damage_packets, frame_number, moving_frames, write_frame_folder, write_video


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_an_intact_video_gives_the_same_frames_as_the_strict_reader(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"video{suffix}", moving_frames(30))
    video = open_video(path)
    frames = list(video)
    assert np.array_equal(np.stack([frame.image for frame in frames]), read_frames(path))
    strict, info = probe(path), video.info()
    assert (info.frames, info.width, info.height) == (strict.frames, strict.width, strict.height)
    assert (info.duration_seconds, info.fps) == (strict.duration_seconds, strict.fps)
    assert (info.damaged, info.notices) == (0, ())
    assert not video.live
    assert video.expected_seconds == pytest.approx(1.2, abs=0.05)


def test_pauses_and_rotation_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.4, 1.44]
    pauses = open_video(write_video(tmp_path / "pauses.mkv", moving_frames(7), times=times))
    assert [frame.seconds for frame in pauses] == pytest.approx(times, abs=0.002)
    lying = np.ascontiguousarray(np.rot90(moving_frames(5), 1, axes=(1, 2)))
    telephone = open_video(write_video(tmp_path / "telephone.mp4", lying, clockwise_turn=90))
    assert [frame_number(frame.image) for frame in telephone] == list(range(5))
    assert (telephone.info().width, telephone.info().height) == (64, 48)


def test_one_frame_per_second(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "slow.mp4", moving_frames(5), fps=1))
    assert [frame.seconds for frame in video] == [0, 1, 2, 3, 4]
    assert video.info().fps == 1
    assert video.info().duration_seconds == 5


def test_an_8k_image(tmp_path: Path) -> None:
    large = np.zeros((2, 4320, 7680, 3), np.uint8)
    large[:, :, 4000:] = 200
    video = open_video(write_video(tmp_path / "8k.mp4", large))
    assert [frame.image.shape for frame in video] == [(4320, 7680, 3)] * 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_damage_in_the_middle_is_skipped_and_counted(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"good{suffix}", moving_frames(100, 120, 160))
    damage_packets(path, 40, 55, 56)
    video = open_video(path)
    frames = list(video)
    assert 50 <= len(frames) <= 100
    assert frames[-1].seconds == pytest.approx(99 / 25, abs=0.1)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert 3 <= video.info().damaged <= 60
    assert video.info().notices[0].startswith(f"{video.damaged} damaged packets")


def test_frames_that_a_decoder_drops_silently_are_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mkv", moving_frames(40), codec="mpeg2video")
    damage_packets(path, 15, 25, 26)
    video = open_video(path)
    assert len(list(video)) == 37
    assert video.info().damaged == 3


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((suffix, codec) for suffix in (".mp4", ".mkv", ".ts", ".avi") for codec in ("libx264", "mpeg2video")),
        *((suffix, "mjpeg") for suffix in (".mp4", ".mkv", ".avi")),
    ],
)
def test_intact_videos_have_no_damage(
    tmp_path: Path, suffix: str, codec: Literal["libx264", "mpeg2video", "mjpeg"]
) -> None:
    """Frames out of order, at varying rate, before the start of the edit list."""
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    options = {"bf": "3", "g": "12"} if codec != "mjpeg" else {}
    with av.open(str(tmp_path / f"video{suffix}"), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
        for index, image in enumerate(moving_frames(80)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            pause = 50 * (index > 40) if suffix != ".avi" else 0
            frame.pts = index - (10 if suffix == ".mp4" and codec == "libx264" else 0) + pause
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    video = open_video(tmp_path / f"video{suffix}")
    seconds = [frame.seconds for frame in video]
    assert len(seconds) in (70, 80)
    assert seconds == sorted(seconds)
    assert video.damaged == 0


def test_a_long_gap_in_a_video_of_even_rate_is_reported(tmp_path: Path) -> None:
    times = [index / 25 + 2 * (index >= 30) for index in range(60)]
    gap = open_video(write_video(tmp_path / "gap.mkv", moving_frames(60), times=times))
    assert len(list(gap)) == 60
    assert gap.info().notices == ("there are no frames from 1.16 to 3.20 s, though the frame rate is even elsewhere",)
    slides = open_video(write_video(tmp_path / "slides.mkv", moving_frames(60), times=[2 * t for t in range(60)]))
    assert len(list(slides)) == 60
    assert slides.info().notices == ()


def test_notices_come_also_if_reading_ends_early(tmp_path: Path) -> None:
    times = [index / 25 + 2 * (index >= 30) for index in range(60)]
    path = write_video(tmp_path / "gap.mkv", moving_frames(60), times=times)
    gap = ("there are no frames from 1.16 to 3.20 s, though the frame rate is even elsewhere",)
    limited, stopped, closed = open_video(path, SourceOptions(maximum_seconds=4.0)), open_video(path), open_video(path)
    assert len(list(limited)) < 60
    for frame in stopped:
        if frame.index == 50:
            stopped.stop()
    with closing(iter(closed)) as frames:
        assert [next(frames).index for _ in range(50)][-1] == 49
    for video in (limited, stopped, closed):
        assert video.info().notices == gap


def write_stamp(data: bytearray, place: int, ticks: int) -> None:
    """Write a time stamp of a transport stream: 33 bits in five bytes, keeping the marker bits."""
    parts = (ticks >> 29 & 0xE, ticks >> 22, ticks >> 14 & 0xFE, ticks >> 7, ticks << 1 & 0xFE)
    for offset, (part, marks) in enumerate(zip(parts, (0xF1, 0, 1, 0, 1), strict=True)):
        data[place + offset] = data[place + offset] & marks | part & 0xFF


@pytest.mark.parametrize("frames", [[0], [20], [59], range(30, 40), range(30, 60)])
def test_time_stamps_ten_hours_ahead_are_ignored(tmp_path: Path, frames: Iterable[int]) -> None:
    path = write_video(tmp_path / "leap.ts", moving_frames(60), codec="mpeg2video")
    data = bytearray(path.read_bytes())
    pictures = [match.start() for match in re.finditer(rb"\x00\x00\x01\xe0", data)]
    assert len(pictures) == 60
    for frame in frames:
        both = data[pictures[frame] + 7] & 0x40  # presentation and decoding
        for place in (9, 14) if both else (9,):
            write_stamp(data, pictures[frame] + place, 36_000 * 90_000 + 3600 * frame)
    path.write_bytes(data)
    video = open_video(path)
    seconds = [frame.seconds for frame in video]
    assert np.diff(seconds) == pytest.approx(np.full(59, 0.04), abs=0.045)
    assert video.info().duration_seconds == pytest.approx(2.4, abs=0.1)
    assert video.info().damaged >= 1
    strict = probe(path)
    assert strict.frames == 60
    assert re.fullmatch(r"\d+ time stamps? (was|were) wrong and corrected", strict.notices[0])


def test_time_continues_where_recordings_are_joined(tmp_path: Path) -> None:
    """Their time stamps restart, or jump to the time of day."""
    one = write_video(tmp_path / "one.ts", moving_frames(30), codec="mpeg2video").read_bytes()
    with av.open(str(tmp_path / "two.ts"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for index, image in enumerate(moving_frames(30)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 500_000 + index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one + (tmp_path / "two.ts").read_bytes() + one)
    video = open_video(joined)
    seconds = [frame.seconds for frame in video]
    assert len(seconds) == 90
    assert np.diff(seconds) == pytest.approx(np.full(89, 0.04), abs=0.05)
    assert video.info().duration_seconds == pytest.approx(3.6, abs=0.2)


@pytest.mark.parametrize("name", ["cut.mkv", "cut.mp4"])
def test_the_rest_of_a_truncated_video_is_read_with_a_notice(tmp_path: Path, name: str) -> None:
    whole = write_video(tmp_path / name, moving_frames(60, 120, 160), options={"movflags": "faststart"})
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 6 // 10])
    video = open_video(whole)
    count = len(list(video))
    assert 20 < count < 60
    assert any("truncated: it ends at" in notice for notice in video.info().notices)


def bad_sources(folder: Path) -> dict[str, str]:
    """Write unreadable sources; return name -> part of the message."""
    good = write_video(folder / "good.mp4", moving_frames(60)).read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "zeros.mp4").write_bytes(bytes(4096))
    (folder / "text.txt").write_text("this is no video\n" * 50)
    (folder / "late index.mp4").write_bytes(good[: len(good) // 2])
    (folder / "folder").mkdir()
    with av.open(str(folder / "no frames.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    write_sound(folder / "sound.mp3", cover=False)
    write_sound(folder / "sound with a cover.mp3", cover=True)
    return {
        "missing.mp4": "no such video",
        "empty.mp4": "the file is empty: copy the video again",
        "zeros.mp4": "cannot read the video",
        "text.txt": "holds no video",
        "late index.mp4": "cannot read the video",
        "folder": "holds no frames",
        "no frames.mp4": "",
        "sound.mp3": "holds no video",
        "sound with a cover.mp3": "holds no video",
    }


def write_sound(path: Path, cover: bool) -> None:
    """Write a second of silence with a cover image, as in music files."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("mp3", rate=44100)
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        container.start_encoding()
        if cover:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(moving_frames(1)[0], format="rgb24")))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1152 * 10), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def test_unreadable_sources_are_named_in_one_line(tmp_path: Path) -> None:
    for name, message in bad_sources(tmp_path).items():
        with pytest.raises(InputError) as caught:
            list(open_video(tmp_path / name))
        text = str(caught.value)
        assert message in text, name
        assert name in text
        assert "\n" not in text


def test_a_missing_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "secret.mp4", moving_frames(3))

    def refuse(*_: object, **__: object) -> None:
        raise av.error.PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(av, "open", refuse)
    for read in (open_video, read_frames):
        with pytest.raises(InputError, match=r"secret\.mp4: Permission denied; check its permissions"):
            read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is permitted to root")
def test_a_real_missing_permission_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "secret.mp4", moving_frames(3))
    path.chmod(0)
    with pytest.raises(InputError, match="check its permissions"):
        open_video(path)


def test_images_that_cannot_be_opened_are_passed_over(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(6))
    (folder / "3.png").unlink()
    (folder / "3.png").symlink_to(tmp_path / "gone.png")
    (folder / "5.png").unlink()
    (folder / "5.png").mkdir()
    video = open_video(folder)
    assert [round(25 * frame.seconds) for frame in video] == [0, 1, 3, 5]
    assert video.info().damaged == 1, "a folder is not an image"
    with pytest.raises(InputError, match=r"cannot read the image .*3\.png: No such file or directory; check the file"):
        read_frames(folder)
    for path in folder.glob("[1246].png"):
        path.unlink()
    (folder / "7.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(InputError, match="has no frames that can be decoded"):
        list(open_video(folder))


def test_images_have_the_requested_frame_rate_and_damaged_ones_leave_a_gap(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(12))
    (folder / "4.png").write_bytes(b"damaged")
    video = open_video(folder, SourceOptions(image_fps=10.0))
    frames = list(video)
    assert [frame.index for frame in frames] == list(range(11))
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, *(n / 10 for n in range(4, 12))])
    assert video.info().damaged == 1
    assert video.info().duration_seconds == pytest.approx(1.2)
    cv2.imwrite(str(folder / "13.png"), np.zeros((10, 20, 3), np.uint8))
    mixed = open_video(folder)
    assert list(mixed)[-1].image.shape == (10, 20, 3)
    assert mixed.info().notices[-1].startswith("the picture changes its size: 64x48, 20x10 from 0.48 s")


def test_reading_ends_after_the_maximum_time_or_when_stopped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", moving_frames(50))
    short = open_video(path, SourceOptions(maximum_seconds=0.5))
    assert len(list(short)) == 13
    assert short.info().notices == ()
    stopped = open_video(path)
    for frame in stopped:
        if frame.index == 4:
            stopped.stop()
    assert stopped.info().frames == 5


@pytest.mark.parametrize("field", ["image_fps", "timeout_seconds", "maximum_seconds"])
def test_invalid_options_are_named(field: str) -> None:
    with pytest.raises(InputError, match=f"source.{field} is 0.0; it must be above 0"):
        SourceOptions(**{field: 0.0})


def test_standard_input_through_a_real_pipe(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mkv", moving_frames(30))
    code = "from ifdd.video.sources import open_video; v = open_video('-'); print(len(list(v)), v.info().path)"
    done = run(["sh", "-c", 'cat "$0" | "$1" -c "$2"', path, sys.executable, code])
    assert done.stdout.split() == ["30", "standard", "input"]


def test_standard_input_that_ends_early_or_is_closed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_video(tmp_path / "video.mkv", moving_frames(60)).read_bytes()
    video = open_video("-", stdin=io.BytesIO(whole[: len(whole) * 6 // 10]))
    assert 20 < len(list(video)) < 60
    assert "truncated: it ends at" in video.info().notices[-1]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        open_video("-")


def test_a_video_can_be_read_only_once(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "video.mkv", moving_frames(5)))
    assert len(list(video)) == 5
    with pytest.raises(InputError, match=r"video\.mkv was read already; open it again"):
        list(video)


def test_standard_input_without_a_video_is_named() -> None:
    for content in (b"", b"no video" * 500):
        with pytest.raises(InputError, match="cannot read the video standard input"):
            open_video("-", stdin=io.BytesIO(content))


class _Difficult(FileHandler):
    """Serves files; depending on the name, asks for a password or falls silent in the middle."""

    def do_GET(self) -> None:  # noqa: N802 (the base class's name)
        if "secret" in self.path:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="videos"')
            self.end_headers()
        elif "half" in self.path:
            data = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.recv(1)  # until the other side hangs up
        else:
            super().do_GET()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server for the files of tmp_path."""
    with serving_files(tmp_path, _Difficult) as address:
        yield address


def test_a_video_at_a_url(tmp_path: Path, address: str) -> None:
    write_video(tmp_path / "video.mp4", moving_frames(30), options={"movflags": "faststart"})
    patient = SourceOptions(timeout_seconds=LIMIT_SECONDS)
    video = open_video(f"{address}/video.mp4", patient)
    assert [frame_number(frame.image) for frame in video] == list(range(30))
    assert video.info().path == f"{address}/video.mp4"
    assert not video.live
    with pytest.raises(InputError, match=r"404.*check the address"):
        open_video(f"{address}/absent.mp4", patient)


def test_a_url_that_falls_silent_is_read_up_to_there(tmp_path: Path, address: str) -> None:
    write_video(tmp_path / "half.mkv", moving_frames(60, 120, 160))
    data = (tmp_path / "half.mkv").read_bytes()
    there = len(list(open_video("-", stdin=io.BytesIO(data[: len(data) // 2]))))
    for timeout in (0.5, 5, 50):  # a busy machine, which serves the file too, may be silent for a while
        with suppress(InputError):
            video = open_video(f"{address}/half.mkv", SourceOptions(timeout_seconds=timeout))
            if len(list(video)) == there:
                break
    assert 10 < video.info().frames == there < 60, "frames that the decoder holds back are read too"
    (notice,) = video.info().notices
    why = rf"\(nothing came for {timeout:g} s\)"
    assert re.match(rf"the video broke off at \d\.\d\d of 2\.40 s {why}; what came before", notice)


def test_a_url_that_needs_a_password_is_named(address: str) -> None:
    with pytest.raises(InputError, match=r"//\*\*\*@127.*secret\.mkv: Server returned 401") as caught:
        open_video(address.replace("//", "//me:pass@") + "/secret.mkv", SourceOptions(timeout_seconds=LIMIT_SECONDS))
    assert "pass@" not in str(caught.value)


def test_urls_that_do_not_answer_are_named() -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for scheme in ("http", "rtsp"):
            with pytest.raises(InputError, match=r"no answer within 0\.5 s; check the address") as caught:
                open_video(f"{scheme}://me:secret@127.0.0.1:{port}/live", SourceOptions(timeout_seconds=0.5))
            assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="check the address"):
        open_video(f"rtsp://127.0.0.1:{port}/live")
    with pytest.raises(InputError, match=r"unsupported URL scheme gopher://.*; use one of http"):
        open_video("gopher://host/video")


class _FakeCamera:
    """Gives some images, with one failure in between."""

    def __init__(self, images: list[np.ndarray | None]) -> None:
        self.images = images
        self.released = False

    def read(self) -> tuple[bool, Any]:
        image = self.images.pop(0) if self.images else None
        return image is not None, image

    def release(self) -> None:
        self.released = True


def test_a_camera_gives_times_and_rgb_images() -> None:
    red = np.zeros((48, 64, 3), np.uint8) + np.array([0, 0, 200], np.uint8)  # BGR
    camera = _FakeCamera([red, None, red, red])
    video = open_video("camera:0", capture=camera)
    frames = list(video)
    assert video.live
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].image[0, 0].tolist() == [200, 0, 0]
    assert all(before.seconds < after.seconds for before, after in pairwise(frames))
    assert "the camera gave no more images" in video.info().notices[0]
    assert video.info().start_seconds == 0 < frames[0].seconds
    assert camera.released


def test_a_missing_camera_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no camera 97 can be opened"):
        open_video("camera:97")
    with pytest.raises(InputError, match="cameras are named by number, such as camera:0"):
        open_video("camera:front")
    assert capfd.readouterr().err == ""
    with pytest.raises(InputError, match="has no frames"):
        list(open_video("camera:0", capture=_FakeCamera([])))
