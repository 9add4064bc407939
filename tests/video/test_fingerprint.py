"""A stamp changes with the content of a video, and with nothing else."""

import os
from pathlib import Path

from ifdd.video.fingerprint import source_stamp
from tests.helpers.videos import moving_frames, write_frame_folder


def test_the_stamp_of_a_file_changes_when_it_changes_or_moves(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    absent = source_stamp(video)
    video.write_bytes(b"one")
    first = source_stamp(video)
    assert first != absent
    assert source_stamp(video) == first
    os.utime(video, ns=(1, 1))
    assert source_stamp(video) != first
    assert source_stamp(video.rename(tmp_path / "b.mp4")) != source_stamp(video)


def test_the_stamp_of_a_folder_changes_with_its_images(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(3))
    first = source_stamp(folder)
    (folder / "Thumbs.db").write_text("what Windows leaves behind")
    assert source_stamp(folder) == first
    os.utime(folder / "2.png", ns=(1, 1))  # older than the newest, so that the newest time stays
    changed = source_stamp(folder)
    assert changed != first
    (folder / "3.png").unlink()
    assert source_stamp(folder) not in (first, changed)


def test_a_link_to_nothing_does_not_hide_the_changes_of_other_images(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(3))
    (folder / "9.png").symlink_to("gone.txt")
    first = source_stamp(folder)
    os.utime(folder / "2.png", ns=(1, 1))
    changed = source_stamp(folder)
    assert changed != first
    (folder / "gone.txt").write_bytes(b"a picture")
    assert source_stamp(folder) != changed
