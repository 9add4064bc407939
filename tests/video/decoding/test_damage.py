from pathlib import Path

import av

from ifdd.video.decoding.damage import DamageCounter
from tests.helpers.videos import moving_frames, write_video


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
