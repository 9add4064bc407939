import re
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from ifdd.errors import InputError
from ifdd.video.decoding.damage import DamageCounter
from ifdd.video.frames import iter_frames, probe, read_frames
from ifdd.video.sources import open_video
from tests.helpers.videos import damage_packets, moving_frames, write_video


def count(path: Path, spoilt: set[int], corrupt: set[int]) -> int:
    """Count the damage of a video in which some packets are overwritten and some marked as corrupt."""
    damage = 0
    with av.open(str(path)) as container:
        counter = DamageCounter(container.streams.video[0].codec_context.name)
        for number, packet in enumerate(container.demux(container.streams.video[0])):
            if number in spoilt:
                packet.update(b"\xff" * packet.size)
            if number in corrupt:
                packet.is_corrupt = True
            frames = packet.decode()
            damage += counter.of_packet(packet) + sum(map(counter.of_frame, frames))
    return damage + counter.at_end()


def test_damaged_packets_are_not_also_counted_as_missing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mkv", moving_frames(40), codec="mpeg2video")
    assert count(path, set(), set()) == 0
    assert count(path, {15, 25, 26}, set()) == 3  # dropped silently
    assert count(path, {15, 25, 26}, {15, 25, 26}) == 3
    assert count(path, set(), {15, 25}) == 2  # they are decoded nevertheless


def test_strict_reading_refuses_what_lenient_reading_counts(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mkv", moving_frames(40), codec="mpeg2video")
    damage_packets(path, 15, 25, 26)  # the decoder drops them silently
    video = open_video(path)
    assert (len(list(video)), video.damaged) == (37, 3)
    for read in (probe, read_frames):
        with pytest.raises(
            InputError, match=r"video\.mkv is damaged, as found after frame \d+ .*; replace it, or convert it"
        ):
            read(path)


@pytest.mark.parametrize("cut", [0, 100])
def test_strict_reading_refuses_packets_of_which_bytes_were_lost(tmp_path: Path, cut: int) -> None:
    path = write_video(tmp_path / "video.ts", moving_frames(72, 120, 160))
    data = bytearray(path.read_bytes()[: -cut or None])
    for packet in range(6):
        place = 188 * (len(data) // 188 // 2 + 3 * packet)
        data[place + 4 : place + 188] = b"\xff" * 184
    path.write_bytes(data)
    video = open_video(path)
    assert len(list(video)) < 72
    assert video.damaged > 0
    with pytest.raises(InputError, match=r"video\.ts is damaged, as found after frame \d+"):
        probe(path)


@pytest.mark.parametrize("cut", [0, 100, 940, 2000])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_strict_reading_leaves_out_the_pictures_where_a_recording_was_cut(
    tmp_path: Path, suffix: str, codec: Literal["libx264", "mpeg2video"], cut: int
) -> None:
    path = write_video(tmp_path / f"video{suffix}", moving_frames(120, 120, 160), codec=codec)
    whole = iter([frame.image for frame in open_video(path)])
    path.write_bytes(path.read_bytes()[: -cut or None])
    images = read_frames(path)
    assert 105 <= len(images) <= 120
    assert len(images) == 120 or cut
    assert all(any(np.array_equal(image, other) for other in whole) for image in images), "in order, none damaged"
    assert probe(path).notices in (
        (),
        ("the last pictures are damaged, as in a file that was cut; they were left out",),
    )


def write_cut(path: Path, source: Path, keyframe: int) -> Path:
    """Copy a video without decoding it from one of its keyframes on, counted from 0."""
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        stream = container.streams.video[0]
        copied, begin = output.add_stream_from_template(stream), None
        for packet in container.demux(stream):
            keyframe -= packet.is_keyframe
            if keyframe >= 0 or packet.dts is None:
                continue
            begin = packet.dts if begin is None else begin
            packet.dts -= begin
            packet.pts = None if packet.pts is None else packet.pts - begin
            packet.stream = copied
            output.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4", ".ts"])
@pytest.mark.parametrize("b_frames", [2, 8])
def test_pictures_that_need_what_was_cut_off_before_them_are_not_missing(
    tmp_path: Path, suffix: str, b_frames: int
) -> None:
    encoding = {"bf": str(b_frames), "x264-params": "open-gop=1:b-adapt=0:scenecut=0:keyint=30:min-keyint=30"}
    with av.open(str(tmp_path / "whole.avi"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=encoding)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in moving_frames(150):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    path = write_cut(tmp_path / f"cut{suffix}", tmp_path / "whole.avi", 2)  # an AVI holds no presentation times
    video = open_video(path)
    assert len(list(video)) == probe(path).frames == 90
    assert video.damaged == 0


def test_pictures_after_the_second_keyframe_are_missing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mkv", moving_frames(40), codec="mpeg2video")
    assert count(path, {13}, set()) == 1


@pytest.mark.parametrize("damaged", [0, 10, 19])
def test_frames_of_an_animation_that_cannot_be_decoded_are_reported(tmp_path: Path, damaged: int) -> None:
    path = tmp_path / "video.webp"
    first, *others = map(Image.fromarray, moving_frames(20))
    first.save(path, save_all=True, append_images=others, duration=40, lossless=True)
    assert probe(path).frames == 20
    data = bytearray(path.read_bytes())
    place = [match.start() for match in re.finditer(b"ANMF", data)][damaged] + 40
    data[place : place + 50] = b"\xff" * 50
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"video\.webp is a damaged animation"):
        list(iter_frames(path))
    if damaged:
        video = open_video(path)
        assert (len(list(video)), video.damaged) == (damaged, 20 - damaged)
        assert video.info().notices[1].startswith(f"the animation is damaged: {damaged} of 20 frames can be decoded")
