"""Pictures and frames that are too large are refused, before they are decoded."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.mutations.seeds import bomb_png
from ifdd import limits
from ifdd.errors import InputError
from ifdd.limits import VARIABLE, check_size, limit_opencv, most_pixels
from ifdd.video import open_video
from ifdd.video.frames import iter_frames
from ifdd.video.images import decode_image
from tests.helpers.processes import run
from tests.helpers.videos import moving_frames, write_frame_folder, write_video

READ: list[Callable[[Path], Iterable[object]]] = [iter_frames, open_video]


def test_the_default_is_enough_for_the_largest_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    check_size("photo.jpg", 16320, 12240)
    with pytest.raises(InputError, match=r"photo.jpg is too large: 20000 x 20000, more than 200 mega.* IFDD_MAX_MEGA"):
        check_size("photo.jpg", 20000, 20000)


@pytest.mark.parametrize("text", ["0", "-3", "many", "nan", "inf", "3000"])
def test_a_wrong_limit_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InputError, match=f"IFDD_MAX_MEGAPIXELS is '{text}'; it must be a number of megapixels"):
        most_pixels()


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif", ".webp", ".png"])
def test_large_frames_are_refused(
    suffix: str, read: Callable[[Path], Iterable[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frames = tmp_path / f"clip{suffix}", moving_frames(3)
    if suffix in (".webp", ".png"):
        first, *others = map(Image.fromarray, frames)
        first.save(path, save_all=True, append_images=others, duration=40)
    else:
        write_video(path, frames)
    monkeypatch.setenv(VARIABLE, "0.00308")  # 64 x 48 pixels are 3072
    assert sum(1 for _ in read(path)) == 3
    monkeypatch.setenv(VARIABLE, "0.003")
    with pytest.raises(InputError, match=r"is too large: 64 x 48, more than 0.003 megapixels"):
        sum(1 for _ in read(path))


def test_decoders_refuse_what_no_header_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4", moving_frames(3))
    monkeypatch.setattr(limits, "decoder_limit", lambda: 100)
    monkeypatch.setattr("ifdd.video.decoding.opening.decoder_limit", lambda: 100)
    monkeypatch.setattr("ifdd.video.decoding.streams.decoder_limit", lambda: 100)
    with pytest.raises(InputError, match="more megapixels than IFDD_MAX_MEGAPIXELS allows"):
        sum(1 for _ in iter_frames(path))


def test_one_large_image_of_a_folder_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_frame_folder(tmp_path / "frames", moving_frames(3))
    (folder / "2.png").write_bytes(bomb_png(40_000, 40_000))
    source = open_video(folder)
    assert len(list(source)) == 2
    assert source.damaged == 1


def test_opencv_refuses_a_bomb_before_it_decodes(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb_png(16_000, 16_000, whole=True))  # 256 million pixels in 250 kB
    environment = dict[str, str]()
    limit_opencv(environment)
    script = (
        "import resource; from pathlib import Path; from ifdd.errors import InputError\n"
        "from ifdd.video.images import decode_image, read_image_bytes\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    decode_image(read_image_bytes(Path('bomb.png')), 'bomb.png')\n"
        "except InputError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)"
    )
    done = run([sys.executable, "-c", script], cwd=tmp_path, env=os.environ | environment)
    message, megabytes = done.stdout.splitlines()
    assert "bomb.png is too large: more than 200 megapixels" in message
    assert int(megabytes) < 150


def test_without_that_limit_a_bomb_is_refused_after_it_was_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0.5")
    with pytest.raises(InputError, match=r"1000 x 1000, more than 0\.5 megapixels"):
        decode_image(bomb_png(1000, 1000, whole=True), "bomb.png")
