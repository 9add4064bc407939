"""Videos whose picture changes its size or shape, and folders of images, through recognize, Stream and prepare."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ifdd.data.crop import crop_faces
from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.inference.recognition import Recognition
from ifdd.inference.recognizer import Recognizer
from ifdd.video.fitting import PictureSize, fit_into
from ifdd.video.frames import VideoInfo, iter_frames
from ifdd.video.images import number_positions

Size = tuple[int, int]  # width, height


class DiscDetector:
    """Finds the bright red disc of ``scene`` as a face, in an image of any size."""

    name = "disc"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        mask = ((image[..., 0] > 180) & (image[..., 1] < 90)).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        return [FaceBox(float(x), float(y), float(width), float(height), 0.9)] if width else []


def scene(size: Size) -> np.ndarray:
    """Return a disc, half as high as the shorter side, a third from the left, on a pattern."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns * 90 // width, 120 + rows * 90 // height, np.full_like(rows, 140)], -1).astype(np.uint8)
    cv2.circle(image, (width // 3, height // 2), min(size) // 4, (230, 40, 40), -1)
    return image


def write_sizes(path: Path, sizes: Sequence[Size], each: int, codec: Literal["libvpx", "libx264"]) -> Path:
    """Write a video whose picture has each of the sizes in turn."""
    with av.open(str(path), "w") as container:
        stream, stamp = container.add_stream(codec, rate=25), 0
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = sizes[0], "yuv420p"
        for size in sizes:
            encoder = av.CodecContext.create(codec, "w")
            assert isinstance(encoder, VideoCodecContext)
            (encoder.width, encoder.height), encoder.pix_fmt = size, "yuv420p"
            encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, 25), Fraction(25), 4_000_000
            encoder.max_b_frames = 0
            picture = av.VideoFrame.from_ndarray(scene(size), format="rgb24").reformat(format="yuv420p")
            for index in range(each + 1):
                picture.pts = index
                for packet in encoder.encode(picture if index < each else None):
                    packet.stream, packet.time_base = stream, Fraction(1, 1000)
                    packet.pts = packet.dts = 40 * stamp
                    stamp += 1
                    container.mux(packet)
    return path


CHANGES: dict[str, tuple[Size, ...]] = {
    "turned": ((320, 180), (180, 320)),
    "finer": ((160, 90), (640, 360), (320, 180)),
}


def write_change(folder: Path, change: str, kind: str) -> Path:
    """Write a video with a change, 40 frames of each size."""
    if kind == "images":
        (folder / change).mkdir()
        for number, size in enumerate([size for size in CHANGES[change] for _ in range(40)]):
            image = cv2.cvtColor(scene(size), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / change / f"{number:03d}.png"), image)
        return folder / change
    codec: Literal["libvpx", "libx264"] = "libvpx" if kind == ".webm" else "libx264"
    return write_sizes(folder / f"{change}{kind}", CHANGES[change], 40, codec)


@pytest.mark.parametrize("kind", [".webm", ".ts", "images"])
@pytest.mark.parametrize("change", list(CHANGES))
def test_no_picture_is_distorted_and_boxes_are_in_pixels_of_the_first(
    checkpoint: Path, tmp_path: Path, change: str, kind: str
) -> None:
    sizes = CHANGES[change]
    recognizer = Recognizer.from_checkpoint(checkpoint, detector=DiscDetector())
    path = write_change(tmp_path, change, kind)
    result = recognizer.recognize(path)
    video = result.video
    assert [(one.width, one.height) for one in video.sizes] == list(sizes)
    assert [one.frame for one in video.sizes] == [40 * index for index in range(len(sizes))]
    assert (video.width, video.height) == sizes[0]
    assert video.notices[0].startswith(f"the picture changes its size: {sizes[0][0]}x{sizes[0][1]}, ")
    # a turned picture begins a shot; a finer one shows the same person
    assert len(result.tracks) == (2 if change == "turned" else 1)
    for one in video.sizes:
        fit = fit_into((one.width, one.height), sizes[0])
        track = next(track for track in result.tracks if track.boxes.at(one.frame + 20) is not None)
        left, top, right, bottom = track.boxes.xyxy[track.boxes.at(one.frame + 20)]
        side = min(one.width, one.height) / 2 * fit.scale
        assert (right - left, bottom - top) == pytest.approx((side, side), abs=0.1 * side)
        assert (left + right) / 2 == pytest.approx(one.width // 3 * fit.scale + fit.left, abs=3)
    result.write(tmp_path / "out.json")
    assert Recognition.load(tmp_path / "out.json").video == replace(video, path=str(video.path), sizes=_rounded(video))


def _rounded(video: VideoInfo) -> tuple[PictureSize, ...]:
    return tuple(one._replace(seconds=round(one.seconds, 4)) for one in video.sizes)


def test_annotated_video_has_round_discs_in_every_size(checkpoint: Path, tmp_path: Path) -> None:
    path = write_change(tmp_path, "turned", ".webm")
    result = Recognizer.from_checkpoint(checkpoint, detector=DiscDetector()).recognize(path)
    result.write(tmp_path / "out.mp4")
    frames = list(iter_frames(tmp_path / "out.mp4"))
    assert len(frames) == 80
    assert len({frame.image.shape for frame in frames}) == 1
    for index in (20, 60):
        image = frames[index].image
        mask = (image[..., 0] > 180) & (image[..., 1] < 90) & (image[..., 2] < 90)
        _, _, width, height = cv2.boundingRect(mask.astype(np.uint8))
        assert width == pytest.approx(height, rel=0.1)
        assert height >= 88  # as fine as the source


def test_a_stream_takes_frames_of_changing_size(checkpoint: Path) -> None:
    stream = Recognizer.from_checkpoint(checkpoint, detector=DiscDetector()).stream()
    readings = []
    for index in range(120):
        size = (320, 180) if index < 60 else (640, 360)
        readings += stream.read(scene(size), index / 25)
        (track,) = stream.in_sight
        assert track.box.width == pytest.approx(90, abs=5)  # always in pixels of the first frame
    readings += stream.finish(120 / 25)
    assert {reading.track for reading in readings} == {1}
    with pytest.raises(InputError, match="convert it"):
        stream.read(np.zeros((10, 20), np.uint8), 9.0)


@pytest.mark.slow
@pytest.mark.parametrize("change", list(CHANGES))
def test_prepared_crops_are_round_in_every_size(tmp_path: Path, change: str) -> None:
    path = write_change(tmp_path, change, ".webm")
    sample = Sample("clip", path, 40 * len(CHANGES[change]), "happy", "train")
    cropped = crop_faces([sample], tmp_path / "faces", size=64, detector=DiscDetector)
    assert cropped.unreadable == {}
    assert cropped.records["clip"].shots == (2 if change == "turned" else 1)
    images = [frame.image for frame in iter_frames(cropped.samples[0].path)]
    assert len(images) == sample.frames
    for image in images[10::40]:
        _, _, width, height = cv2.boundingRect(((image[..., 0] > 150) & (image[..., 1] < 110)).astype(np.uint8))
        assert 40 <= width <= 60
        assert width == pytest.approx(height, abs=4)


def test_clips_for_training_fill_their_squares_whatever_the_size(tmp_path: Path) -> None:
    path = write_change(tmp_path, "turned", ".webm")
    sample = Sample("clip", path, 80, "happy", "train")
    clips = [ClipDataset([sample], ["happy"], 8, 32, cache=cache)[0][0] for cache in (False, True)]
    assert (clips[0] == clips[1]).all()
    assert clips[0].float().sum(dim=0).min() > 100  # no bars
    assert clips[0].shape == (3, 8, 32, 32)


def test_results_name_the_file_of_each_frame_and_a_hole_keeps_its_time(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    numbers = [number for number in range(8, 70) if number not in (20, 21)]
    for number in numbers:
        cv2.imwrite(str(folder / f"img_{number}.png"), cv2.cvtColor(scene((160, 90)), cv2.COLOR_RGB2BGR))
    (folder / "img_30.png").write_bytes(b"not an image")
    result = Recognizer.from_checkpoint(checkpoint, detector=DiscDetector()).recognize(folder, statistics=True)
    names = tuple(f"img_{number}.png" for number in numbers if number != 30)
    video = result.video
    assert video.files == names
    assert video.duration_seconds == pytest.approx(62 / 25)
    assert video.notices == (
        "1 damaged packet, frame or image was skipped or repaired",
        "2 images are missing in the numbering (after img_19.png); they leave gaps in time",
    )
    boxes = result.tracks[0].boxes
    assert boxes.seconds[names.index("img_22.png")] == pytest.approx(14 / 25)
    for ending in (".json", ".csv", ".statistics.csv"):
        result.write(tmp_path / f"out{ending}")
    assert tuple(json.loads((tmp_path / "out.json").read_text("utf-8"))["video"]["files"]) == names
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8").splitlines()))
    assert (rows[0]["start_file"], rows[-1]["end_file"]) == (names[0], names[-1])
    measured = list(csv.DictReader((tmp_path / "out.statistics.csv").read_text("utf-8").splitlines()))
    assert [row["file"] for row in measured] == list(names)
    assert Recognition.load(tmp_path / "out.json").video.files == names


@pytest.mark.parametrize(
    ("names", "positions", "notice"),
    [
        (["img_9.png", "img_10.png", "img_011.png"], [0, 1, 2], ""),
        (["0000.png", "0005.png", "0010.png", "0020.png"], [0, 1, 2, 4], "1 image is missing"),
        (["a1_1.png", "a1_3.png", "a1_4.png", "a1_5.png"], [0, 2, 3, 4], "1 image is missing"),
        (["0.png", "33.png", "67.png", "100.png"], [0, 1, 2, 3], "not evenly spaced"),
        (["a.png", "b.png", "c.png"], [0, 1, 2], ""),
        (["eye_1.png", "mouth_7.png"], [0, 1], ""),
        (["7.png"], [0], ""),
    ],
)
def test_numbers_in_names_are_places_in_time(names: list[str], positions: list[int], notice: str) -> None:
    found, notices = number_positions([Path(name) for name in names])
    assert found == positions
    assert notice in "".join(notices)
    assert bool(notices) == bool(notice)
