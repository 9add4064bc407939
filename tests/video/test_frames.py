from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from ifdd.data.datasets.inventory import scan_clips
from ifdd.errors import InputError
from ifdd.video.frames import iter_frames, probe, read_frames
from ifdd.video.images import number_positions
from ifdd.video.sources import open_video
from tests.helpers.videos import (
    damage_packets,
    frame_number,
    moving_frames,
    set_display_matrix,
    write_frame_folder,
    write_video,
)

REAL = Path(__file__).parents[3] / "shared" / "real" / "videos"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real videos are not here")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_every_frame_comes_in_order_with_its_time(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"video{suffix}", moving_frames(30), fps=25)
    frames = list(iter_frames(path))
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame_number(frame.image) for frame in frames] == list(range(30))
    assert np.allclose([frame.seconds for frame in frames], np.arange(30) / 25, atol=0.011)
    assert all(frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous for frame in frames)
    info = probe(path)
    assert (info.frames, info.width, info.height) == (30, 64, 48)
    assert info.fps == pytest.approx(25, rel=0.02)
    assert info.duration_seconds == pytest.approx(1.2, rel=0.02)


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((3, 32, 32, 3), np.uint8) + np.array([220, 20, 40], np.uint8)
    for path in (write_video(tmp_path / "red.mp4", red), write_frame_folder(tmp_path / "red", red)):
        assert np.abs(read_frames(path).astype(int) - red).max() < 12


def test_times_come_from_time_stamps_not_from_the_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 1.4, 1.44]
    path = write_video(tmp_path / "pauses.mkv", moving_frames(7), times=times)
    assert [frame.seconds for frame in iter_frames(path)] == pytest.approx(times, abs=0.002)
    assert probe(path).duration_seconds == pytest.approx(1.48, abs=0.05)


def test_rotation_is_honoured(tmp_path: Path) -> None:
    upright = moving_frames(5, height=48, width=64)
    lying = np.rot90(upright, 1, axes=(1, 2))  # a telephone held upright stores its frames lying on the left side
    path = write_video(tmp_path / "telephone.mp4", np.ascontiguousarray(lying), clockwise_turn=90)
    frames = read_frames(path)
    assert frames.shape == upright.shape
    assert [frame_number(image) for image in frames] == list(range(5))
    assert np.abs(frames.astype(int) - upright).mean() < 10
    assert (probe(path).width, probe(path).height) == (64, 48)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotated_and_mirrored_videos_look_as_in_players(tmp_path: Path, turns: int, mirrored: bool) -> None:
    """The eight display matrices, against points mapped one by one."""
    image = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 2, (3, 4), np.uint8) * 200 + 20, 16, 0), 16, 1)
    path = write_video(tmp_path / "video.mp4", np.repeat(np.repeat(image[None, :, :, None], 3, 3), 2, 0))
    across, down = (-1, 0) if mirrored else (1, 0), (0, 1)  # the images of one step right and one step down
    for _ in range(turns):
        across, down = (-across[1], across[0]), (-down[1], down[0])
    set_display_matrix(path, *across, *down)
    points = {
        (x, y): np.array([across[0] * x + down[0] * y, across[1] * x + down[1] * y]) for x, y in np.ndindex(64, 48)
    }
    corner = np.min(list(points.values()), axis=0)
    width, height = np.max(list(points.values()), axis=0) - corner + 1
    expected = np.empty((height, width), np.uint8)
    for (x, y), place in points.items():
        column, row = place - corner
        expected[row, column] = image[y, x]
    frames = read_frames(path)
    assert (probe(path).width, probe(path).height) == (width, height)
    assert frames.shape == (2, height, width, 3)
    assert np.abs(frames[1].astype(int) - expected[:, :, None]).mean() < 12


@pytest.mark.parametrize(("shape", "size"), [("64/45", (91, 48)), ("8/9", (64, 54)), ("1/1000", (64, 48))])
def test_pixels_that_are_not_square_are_stretched(tmp_path: Path, shape: str, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "video.mp4", moving_frames(3), pixel_shape=Fraction(shape))
    assert (probe(path).width, probe(path).height) == size
    assert [frame_number(image) for image in read_frames(path)] == [0, 1, 2]
    set_display_matrix(path, 0, 1, -1, 0)
    assert read_frames(path).shape[1:3] == size  # rotated: width and height are swapped


@pytest.mark.parametrize("kind", ["video.mp4", "video.gif", "folder"])
def test_selected_frames_come_in_the_requested_order_with_repeats(tmp_path: Path, kind: str) -> None:
    frames = moving_frames(20)
    path = tmp_path / kind
    write_frame_folder(path, frames) if kind == "folder" else write_video(path, frames)
    chosen = read_frames(path, [7, 0, 19, 7])
    assert [frame_number(image) for image in chosen] == [7, 0, 19, 7]
    assert np.array_equal(chosen, read_frames(path)[[7, 0, 19, 7]])
    assert np.array_equal(chosen, read_frames(path, np.array([7, 0, 19, 7])))
    with pytest.raises(InputError, match=r"has 20 frames, so there is no frame 20"):
        read_frames(path, [3, 20])
    for senseless in ([-1], []):
        with pytest.raises(ValueError, match="indices must hold"):
            read_frames(path, senseless)


def test_a_folder_is_sorted_by_number_and_other_files_are_ignored(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(12), suffix=".jpg")
    (folder / "notes.txt").write_text("no frame")
    (folder / "._1.jpg").write_bytes(b"what macOS leaves behind")
    assert [frame_number(frame.image) for frame in iter_frames(folder)] == list(range(12))
    assert probe(folder).fps == 25
    assert probe(folder, folder_fps=10.0).duration_seconds == pytest.approx(1.2)
    assert [frame.seconds for frame in iter_frames(folder, folder_fps=10.0)][-1] == pytest.approx(1.1)


def test_several_and_padded_numbers_in_names_are_compared_by_value(tmp_path: Path) -> None:
    frames = moving_frames(3)
    for name, image in zip(("s2_frame007", "s2_frame80", "s10_frame1"), frames, strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert [frame_number(frame.image) for frame in iter_frames(tmp_path)] == [0, 1, 2]


def test_numbers_that_jump_far_are_not_times(tmp_path: Path) -> None:
    for name, image in zip(("f1", "f2", "f3", "f20240"), moving_frames(4), strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    info = probe(tmp_path)
    assert info.duration_seconds == pytest.approx(4 / 25)
    assert info.notices == (
        "the numbers in the names of the images jump by 20237 after f3.png; all were read at an even rate",
    )
    (tmp_path / "f20240.png").rename(tmp_path / "f400.png")
    assert probe(tmp_path).duration_seconds == pytest.approx(400 / 25)


def test_a_long_folder_may_miss_many_images(tmp_path: Path) -> None:
    files = [Path(f"f{number}.png") for number in (*range(1, 701), *range(1301, 1401))]
    positions, notices = number_positions(files)
    assert positions[-1] == 1399
    assert notices == ["600 images are missing in the numbering (after f700.png); they leave gaps in time"]
    positions, _ = number_positions(files[650:])
    assert positions == list(range(150))


def test_a_link_that_leads_nowhere_is_a_damaged_image(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(3))
    (folder / "4.png").symlink_to("4.png")
    video = open_video(folder)
    assert [frame_number(frame.image) for frame in video] == [0, 1, 2]
    assert video.damaged == 1
    with pytest.raises(InputError, match=r"cannot read the image .*4\.png: Too many levels of symbolic links"):
        list(iter_frames(folder))
    assert scan_clips({"clip": folder}, "none", 1)["clip"].frames == 4


def test_images_in_two_formats_are_refused(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(3))
    cv2.imwrite(str(folder / "2.jpg"), moving_frames(1)[0])
    for read in (probe, open_video):
        with pytest.raises(InputError, match=r"clip holds images twice, .* \(2\.jpg, 2\.png\); move those of one kind"):
            read(folder)


def test_leaving_a_video_early_closes_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", moving_frames(30))
    frames = iter_frames(path)
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert next(iter_frames(path)).index == 0


def bad_videos(folder: Path) -> dict[str, Path]:
    """Write one file or folder of each kind that must be refused."""
    good = write_video(folder / "good.mp4", moving_frames(60)).read_bytes()
    quick = write_video(folder / "quick.mp4", moving_frames(60), options={"movflags": "faststart"}).read_bytes()
    matroska = write_video(folder / "good.mkv", moving_frames(60)).read_bytes()
    contents = {
        "zero-length.mp4": b"",
        "text.mp4": b"this is no video\n" * 50,
        "text.txt": b"this is no video\n" * 50,
        "codec.mp4": good.replace(b"avc1", b"zzz9"),
        "truncated.mp4": good[: len(good) * 6 // 10],
        "truncated-faststart.mp4": quick[: len(quick) * 6 // 10],
        "truncated.mkv": matroska[: len(matroska) * 6 // 10],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    paths = {name: folder / name for name in contents} | {"missing.mp4": folder / "missing.mp4"}
    paths["empty folder"] = folder / "empty folder"
    paths["empty folder"].mkdir()
    return paths


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zero-length.mp4", "cannot read the video"),
        ("text.mp4", "cannot read the video"),
        ("text.txt", "holds no video"),
        ("codec.mp4", "no decoder for the kind of video"),
        ("truncated.mp4", "cannot read the video"),
        ("truncated-faststart.mp4", "truncated"),
        ("truncated.mkv", "truncated: it ends at"),
        ("missing.mp4", "no such video"),
        ("empty folder", "holds no frames"),
    ],
)
def test_bad_videos_are_named_in_one_line(tmp_path: Path, name: str, message: str) -> None:
    path = bad_videos(tmp_path)[name]
    for read in (probe, lambda video: list(iter_frames(video)), read_frames):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_first_damaged_packet_is_refused_with_its_place(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"video{suffix}", moving_frames(100, 120, 160))
    damage_packets(path, 40)
    seen = seen_before(path)
    with pytest.raises(InputError, match=r"after frame \d+ \(\d\.\d\d s\): Invalid data .*; it is damaged") as caught:
        list(iter_frames(path))
    assert 30 <= len(seen) <= 40
    assert f"after frame {len(seen) - 1} ({seen[-1]:.2f} s)" in str(caught.value)
    video = open_video(path)
    assert len(list(video)) > len(seen)
    assert video.damaged >= 1


def seen_before(path: Path) -> list[float]:
    """Return the times of the frames before the first damage."""
    seconds: list[float] = []
    with suppress(InputError):
        for frame in iter_frames(path):
            seconds.append(frame.seconds)
    return seconds


def test_audio_alone_is_not_a_video(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 800, "NONE", ""))
        sound.writeframes(bytes(1600))
    with pytest.raises(InputError, match="holds no video"):
        probe(tmp_path / "sound.wav")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_damaged_image_is_named(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(5), suffix)
    image = folder / f"3{suffix}"
    for content in (image.read_bytes()[:-9], b"", b"no image"):
        image.write_bytes(content)
        with pytest.raises(InputError, match=rf"3\{suffix} is not a readable image"):
            read_frames(folder)
        assert len(read_frames(folder, [0, 1, 3, 4])) == 4
    assert "OpenCV" not in "".join(capfd.readouterr())


def test_an_image_of_another_size_keeps_it_and_lies_undistorted_in_a_common_canvas(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip", moving_frames(3))
    cv2.imwrite(str(folder / "4.png"), np.full((60, 20, 3), 200, np.uint8))
    assert [frame.image.shape[:2] for frame in iter_frames(folder)] == [(48, 64)] * 3 + [(60, 20)]
    last = read_frames(folder)[3]
    assert last.shape == (60, 64, 3)
    assert (last[30] > 100).any(axis=-1).nonzero()[0].tolist() == list(range(22, 42))


class _Videos(Dataset[torch.Tensor]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(read_frames(self.paths[index], [0, 3]))


def test_decoding_works_in_loader_workers_after_decoding_in_the_main_process(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / f"{index}.mp4", moving_frames(6, seed=index)) for index in range(4)]
    expected = torch.stack([_Videos(paths)[index] for index in range(4)])
    loader = DataLoader(_Videos(paths), batch_size=4, num_workers=1)
    assert torch.equal(next(iter(loader)), expected)


@needs_real
@pytest.mark.parametrize(
    ("name", "frames", "size", "fps"),
    [
        ("one_face_crying_to_laughing.mp4", 472, (640, 360), None),
        ("one_face_smile.mp4", 72, (640, 360), 30.0),
        ("small_face_signing_1.mkv", 65, (640, 480), 30.0),
        ("two_faces_turning.gif", 56, (480, 270), 12.0),
    ],
)
def test_real_videos(name: str, frames: int, size: tuple[int, int], fps: float | None) -> None:
    info = probe(REAL / name)
    assert (info.frames, (info.width, info.height)) == (frames, size)
    if fps is not None:
        assert info.fps == pytest.approx(fps, rel=0.02)
    seconds = [frame.seconds for frame in iter_frames(REAL / name)]
    assert seconds == sorted(seconds)
    assert seconds[-1] < info.duration_seconds + seconds[0]


def test_a_matroska_file_that_starts_late_is_not_reported_as_truncated(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    write_video(path, moving_frames(30), times=[0.7 + index / 25 for index in range(30)])
    info = probe(path)
    assert info.frames == 30
    assert info.duration_seconds == pytest.approx(1.2, abs=0.01)
