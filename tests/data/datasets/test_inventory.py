from pathlib import Path

import pytest
from PIL import Image

from ifdd.data.datasets.inventory import ClipState, Thoroughness, scan_clips
from ifdd.data.timing import Timing
from tests.helpers.layouts import write_clip
from tests.helpers.videos import moving_frames


def stock_of(path: Path, decode: Thoroughness = "first") -> ClipState:
    return scan_clips({"clip": path}, decode, 2)["clip"]


@pytest.mark.parametrize("decode", ["none", "first", "all"])
def test_images_and_frames_of_videos_are_counted(tmp_path: Path, decode: Thoroughness) -> None:
    write_clip(tmp_path / "a", 12)
    (tmp_path / "a/.hidden.jpg").touch()
    (tmp_path / "a/notes.txt").touch()
    write_clip(tmp_path / "b", 18, video=True)
    done: list[int] = []
    found = scan_clips({"a": tmp_path / "a", "b": tmp_path / "b.mp4"}, decode, 2, lambda: done.append(1))
    assert found == {"a": ClipState(12), "b": ClipState(18, timing=Timing(25.0), origin="file")}
    assert len(done) == 2


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert stock_of(tmp_path / "empty") == ClipState(0, "the folder contains no frames", missing=True)
    assert stock_of(tmp_path / "nothing") == ClipState(0, "path does not exist", missing=True)


def test_a_bad_first_image_is_found_unless_nothing_is_decoded(tmp_path: Path) -> None:
    write_clip(tmp_path / "a", 3)
    (tmp_path / "a/1.jpg").write_bytes(b"")
    assert "1.jpg is not a readable image" in stock_of(tmp_path / "a").problem
    assert not stock_of(tmp_path / "a").missing
    assert stock_of(tmp_path / "a", "none") == ClipState(3)


def test_a_bad_last_image_is_found_when_all_are_decoded(tmp_path: Path) -> None:
    write_clip(tmp_path / "a", 11)
    (tmp_path / "a/11.jpg").write_bytes((tmp_path / "a/1.jpg").read_bytes()[:-40])
    assert stock_of(tmp_path / "a") == ClipState(11)
    assert "11.jpg is not a readable image" in stock_of(tmp_path / "a", "all").problem


@pytest.mark.parametrize("decode", ["none", "first", "all"])
def test_missing_numbers_of_images_are_reported(tmp_path: Path, decode: Thoroughness) -> None:
    write_clip(tmp_path / "a", 6)
    (tmp_path / "a/3.jpg").unlink()
    notice = "1 image is missing in the numbering (after 2.jpg); it leaves a gap in time"
    assert stock_of(tmp_path / "a", decode) == ClipState(5, notices=(notice,), positions=(0, 1, 3, 4, 5))


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_last_picture_of_an_animation_keeps_its_time(tmp_path: Path, suffix: str) -> None:
    pictures = [Image.fromarray(frame) for frame in moving_frames(6)]
    path = tmp_path / f"a{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[40] * 5 + [1000])
    assert stock_of(path).timing == Timing(5.0, "40*5 1000")


def test_a_bad_video_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert stock_of(tmp_path / "a.mp4", "none").problem.startswith("cannot read the video")
    write_clip(tmp_path / "b", 18, video=True)
    whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 2])
    assert stock_of(tmp_path / "b.mp4").problem
