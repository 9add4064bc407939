import re
from pathlib import Path

import av
import pytest
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


def test_strict_reading_refuses_packets_of_which_bytes_were_lost(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.ts", moving_frames(72, 120, 160))
    data = bytearray(path.read_bytes())
    for packet in range(6):
        place = 188 * (len(data) // 188 // 2 + 3 * packet)
        data[place + 4 : place + 188] = b"\xff" * 184
    path.write_bytes(data)
    video = open_video(path)
    assert len(list(video)) < 72
    assert video.damaged > 0
    with pytest.raises(InputError, match=r"video\.ts is damaged, as found after frame \d+"):
        probe(path)


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
