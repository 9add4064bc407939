"""The stream that players show, and the number of frames that can be decoded."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from ifdd.data.datasets.inventory import scan_clips
from ifdd.errors import InputError
from ifdd.video.frames import iter_frames, probe, read_frames
from ifdd.video.sources import open_video
from tests.helpers.faces import REAL
from tests.helpers.videos import frame_number, moving_frames

AWKWARD = REAL / "awkward"


def write_streams(path: Path, *streams: tuple[int, int, bool, str]) -> Path:
    """Write video streams of (number of frames, level of grey, whether it is the default one, codec)."""
    with av.open(str(path), "w") as container:
        added = []
        for _, _, is_default, codec in streams:
            stream = container.add_stream(codec, rate=25)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = Disposition.default if is_default else Disposition(0)
            added.append(stream)
        for stream, (count, level, _, _) in zip(added, streams, strict=True):
            for index in range(count):
                image = np.full((48, 64, 3), level, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize("default", [0, 1])
def test_the_default_stream_is_read_and_the_other_reported(tmp_path: Path, suffix: str, default: int) -> None:
    streams = [(10, 50, default == 0, "libx264"), (20, 200, default == 1, "libx264")]
    path = write_streams(tmp_path / f"two{suffix}", *streams)
    count, level = streams[default][:2]
    video = open_video(path)
    assert [round(float(frame.image.mean()) / 50) for frame in video] == [level // 50] * count
    notice = f"there are 2 video streams: stream {default} (h264, 64x48, default) was read, not stream {1 - default}"
    assert video.info().notices == (f"{notice} (h264, 64x48)",)
    assert (probe(path).frames, probe(path).notices) == (count, video.info().notices)
    assert len(read_frames(path)) == count
    state = scan_clips({"clip": path}, "first", 1)["clip"]
    assert (state.frames, state.notices) == (count, video.info().notices)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_cover_that_is_not_marked_as_one_is_not_the_video(tmp_path: Path, suffix: str) -> None:
    path = write_streams(tmp_path / f"film{suffix}", (1, 250, True, "mjpeg"), (12, 50, False, "libx264"))
    assert scan_clips({"clip": path}, "none", 1)["clip"].frames == probe(path).frames == 12
    assert next(iter(iter_frames(path))).image.mean() == pytest.approx(50, abs=3)


def test_a_header_that_promises_more_frames_is_not_believed(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "a.mp4", (40, 50, True, "libx264"))
    with av.open(str(path)) as container:
        last = [bytes(packet) for packet in container.demux(video=0) if packet.size][-1]
    data = path.read_bytes()
    path.write_bytes(data.replace(last, b"\xff" * len(last)))
    assert "after frame" in scan_clips({"clip": path}, "none", 1)["clip"].problem


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".gif"])
def test_animations_are_videos_and_still_pictures_photographs(tmp_path: Path, suffix: str) -> None:
    image = pytest.importorskip("PIL.Image")
    features = pytest.importorskip("PIL.features")
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    pictures = [image.fromarray(frame) for frame in moving_frames(12, 96, 128)]
    kinds: dict[str, dict[str, int]] = {".webp": {"lossless": 1}, ".avif": {"quality": 95}}
    kind = kinds.get(suffix, {})
    pictures[0].save(
        tmp_path / f"moving{suffix}", save_all=True, append_images=pictures[1:], duration=40, loop=0, **kind
    )
    pictures[5].save(tmp_path / f"still{suffix}", **kind)
    moving, still = open_video(tmp_path / f"moving{suffix}"), open_video(tmp_path / f"still{suffix}")
    frames = list(moving)
    assert [frame_number(frame.image) for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([index / 25 for index in range(12)], abs=0.001)
    assert moving.info().notices == ()
    assert [frame_number(frame.image) for frame in still] == [5]
    assert probe(tmp_path / f"moving{suffix}").frames == 12
    assert scan_clips({"clip": tmp_path / f"moving{suffix}"}, "first", 1)["clip"].frames == 12


@pytest.mark.skipif(not AWKWARD.exists(), reason="the awkward inputs are not here")
@pytest.mark.parametrize(
    ("name", "frames", "streams"),
    [("two_streams.mkv", 72, 2), ("skydio/happy/S1000024.mp4", 72, 1), ("vp8/happy/laugh.webm", 192, 1)],
)
def test_awkward_videos(name: str, frames: int, streams: int) -> None:
    info = probe(AWKWARD / name)
    assert info.frames == frames
    assert len(info.notices) == streams - 1


def test_a_video_without_frames_of_its_own_is_refused(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "a.mkv", (1, 50, True, "libx264"))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError):
        probe(path)
