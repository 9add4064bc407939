import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ifdd.data.crop import Cropped, crop_faces
from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.faces.boxes import CROP_FACTOR, FaceBox, overlap
from ifdd.faces.detection import YUNET_SHA256, DetectorChoice, YuNetDetector
from ifdd.faces.similarity import DEFAULT_SIDE
from ifdd.synth.command import synth
from ifdd.video.frames import read_frames
from tests.helpers.faces import (
    REAL,
    DiscDetector,
    LandmarkDiscDetector,
    disc_frames,
    disc_square,
    needs_real,
    template_in,
)
from tests.helpers.videos import write_frame_folder, write_video


def sample(clip_id: str, path: Path, frames: int = 20, fold: int = 0) -> Sample:
    return Sample(clip_id, path, frames, "happy", "train", fold)


def crop(samples: list[Sample], folder: Path, size: int = 32, workers: int = 1) -> Cropped:
    return crop_faces(samples, folder, size=size, detector=DiscDetector, workers=workers)


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}


@pytest.fixture
def videos(tmp_path: Path) -> list[Sample]:
    """A disc that moves from left to right, and a video without one."""
    moving = disc_frames(20, {index: (24.0 + 4 * index, 48.0) for index in range(20)})
    return [
        sample("moving", write_video(tmp_path / "moving.mp4", moving)),
        sample("empty", write_video(tmp_path / "empty.mp4", disc_frames(12, {})), 12),
    ]


def test_the_face_stays_in_the_middle_of_its_crops(videos: list[Sample], tmp_path: Path) -> None:
    cropped = crop(videos[:1], tmp_path / "faces")
    (result,) = cropped.samples
    assert result == replace(videos[0], path=tmp_path / "faces" / "moving", frames=20, fps=25.0)
    frames = read_frames(result.path)
    assert frames.shape == (20, 32, 32, 3)
    expected = 32 / CROP_FACTOR  # a disc is as wide as its box
    for frame in frames:
        (disc,) = DiscDetector().detect(frame)
        assert disc.center == pytest.approx((16, 16), abs=1.5)
        assert disc.width == pytest.approx(expected, abs=2.5)
    record = cropped.records["moving"]
    assert (record.source_frames, record.frames, record.people, record.shots) == (20, 20, 1, 1)
    assert (record.face_share, record.centre_crop) == (1.0, False)
    (face,) = record.faces
    assert face.first_frame == 0
    assert face.box[2:] == pytest.approx((25, 25), abs=2)


def test_a_clip_without_a_face_is_kept_whole_and_reported(videos: list[Sample], tmp_path: Path) -> None:
    cropped = crop(videos, tmp_path / "faces")
    assert [s.clip_id for s in cropped.samples] == ["moving", "empty"]
    assert cropped.without_face == ["empty"]
    record = cropped.records["empty"]
    assert (record.frames, record.face_share, record.people, record.faces) == (12, 0.0, 0, ())
    frames = read_frames(cropped.samples[1].path)
    assert frames.shape == (12, 32, 32, 3)
    middle = cv2.resize(read_frames(videos[1].path)[0][:, 16:112], (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(frames[0].astype(int) - middle).max() < 6


def test_unreadable_clips_are_named_with_the_reason(videos: list[Sample], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(videos[0].path.read_bytes()[:900])
    cropped = crop([videos[0], sample("cut", cut)], tmp_path / "faces")
    assert [s.clip_id for s in cropped.samples] == ["moving"]
    assert list(cropped.unreadable) == ["cut"]
    assert "cut.mp4" in cropped.unreadable["cut"]
    assert not (tmp_path / "faces" / "cut").exists()


def test_existing_crops_are_kept_and_missing_ones_made(videos: list[Sample], tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    first = crop(videos[:1], faces)
    before = stamps(faces)
    done: list[int] = []
    second = crop_faces(videos, faces, size=32, detector=DiscDetector, advance=done.append)
    assert done == [1, 1]
    assert before.items() <= stamps(faces).items()
    assert second.records["moving"] == first.records["moving"]
    (faces / "moving" / "00007.jpg").unlink()
    third = crop(videos, faces)
    assert (faces / "moving" / "00007.jpg").exists()
    assert third == second
    (faces / "empty" / "face.json").write_text("{")
    assert crop(videos, faces) == second


def test_other_settings_and_other_videos_are_cropped_again(videos: list[Sample], tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    crop(videos, faces)
    assert read_frames(crop(videos, faces, size=40).samples[0].path).shape[1] == 40
    write_video(videos[1].path, disc_frames(15))
    again = crop(videos, faces, size=40)
    assert again.without_face == []
    assert again.samples[1].frames == 15


def corner(cropped: Cropped) -> float:
    """Return the grey level in the corner of the first crop."""
    return float(read_frames(cropped.samples[0].path)[0, 0, 0, 0])


def test_another_video_of_the_same_name_and_length_is_cropped_again(tmp_path: Path) -> None:
    for name, grey in (("a", 40), ("b", 200)):
        write_frame_folder(tmp_path / name / "clip", disc_frames(6, greys=[grey] * 6), ".png")
        cropped = crop([sample("clip", tmp_path / name / "clip")], tmp_path / "faces")
        assert corner(cropped) == pytest.approx(grey, abs=6)


def test_frames_overwritten_by_files_of_the_same_size_are_cropped_again(tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    clip.mkdir()
    for grey in (40, 200):
        for file in write_frame_folder(tmp_path / str(grey), disc_frames(3, greys=[grey] * 3), ".bmp").iterdir():
            file.replace(clip / file.name)
        cropped = crop([sample("clip", clip)], tmp_path / "faces")
        assert corner(cropped) == pytest.approx(grey, abs=6)


class OtherDetector(DiscDetector):
    name = "other discs"


def test_another_detector_crops_again(videos: list[Sample], tmp_path: Path) -> None:
    crop(videos[:1], tmp_path / "faces")
    before = stamps(tmp_path / "faces")
    crop_faces(videos[:1], tmp_path / "faces", size=32, detector=OtherDetector)
    after = stamps(tmp_path / "faces")
    assert after.keys() == before.keys()
    assert not after.items() & before.items()
    crop_faces(videos[:1], tmp_path / "faces", size=32, detector=OtherDetector)
    assert stamps(tmp_path / "faces") == after


class OwnModelDetector(DiscDetector):
    sha256 = "ab" * 32


class PublicModelDetector(DiscDetector):
    sha256 = YUNET_SHA256


def test_another_model_file_crops_again(videos: list[Sample], tmp_path: Path) -> None:
    crop(videos[:1], tmp_path / "faces")
    before = stamps(tmp_path / "faces")
    crop_faces(videos[:1], tmp_path / "faces", size=32, detector=PublicModelDetector)
    assert stamps(tmp_path / "faces") == before
    crop_faces(videos[:1], tmp_path / "faces", size=32, detector=OwnModelDetector)
    assert not stamps(tmp_path / "faces").items() & before.items()


def test_a_clip_of_several_folds_is_cropped_once(videos: list[Sample], tmp_path: Path) -> None:
    folds = [replace(videos[0], fold=fold, subset="test" if fold == 1 else "train") for fold in (1, 2)]
    cropped = crop(folds, tmp_path / "faces")
    assert [(s.fold, s.subset) for s in cropped.samples] == [(1, "test"), (2, "train")]
    assert len({s.path for s in cropped.samples}) == len(cropped.records) == 1


def test_frames_that_do_not_show_the_face_are_left_out_and_counted(tmp_path: Path) -> None:
    centers = dict.fromkeys(range(30), (64.0, 48.0))
    path = write_video(tmp_path / "leaves.mp4", disc_frames(90, centers, greys=[50] * 90))
    cropped = crop([sample("leaves", path, 90)], tmp_path / "faces")
    record = cropped.records["leaves"]
    assert record.source_frames == 90
    assert 50 <= record.frames == cropped.samples[0].frames < 60
    assert 0.25 < record.face_share < 0.4
    assert json.loads((cropped.samples[0].path / "face.json").read_text())["source_frames"] == 90


@pytest.mark.slow
def test_several_processes_make_the_same_crops(tmp_path: Path) -> None:
    samples = [sample(f"v{i}", write_video(tmp_path / f"v{i}.mp4", disc_frames(4 + i))) for i in range(9)]
    one = crop(samples, tmp_path / "one")
    two = crop(samples, tmp_path / "two", workers=2)
    assert one.records == two.records
    for path in (tmp_path / "one").rglob("*.jpg"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("names", [("../outside",), (".",), ("a", "a/b"), ("/tmp/x",)])
def test_ids_that_are_not_folder_names_are_refused(
    names: tuple[str, ...], videos: list[Sample], tmp_path: Path
) -> None:
    samples = [replace(videos[0], clip_id=name) for name in names]
    with pytest.raises(InputError, match="is not a valid name for a separate folder"):
        crop(samples, tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


def test_one_id_for_two_videos_is_refused(videos: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'moving' is .*moving\.mp4, and also .*empty\.mp4"):
        crop([videos[0], replace(videos[1], clip_id="moving")], tmp_path / "faces")


def test_an_unwritable_folder_stops_cropping(videos: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "faces").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        crop(videos, tmp_path / "faces")


@pytest.mark.slow
def test_synthetic_mafw_is_cropped_to_its_faces(tmp_path: Path) -> None:
    """The box in the record agrees with the ground truth next to the dataset."""
    synth(tmp_path / "mafw", clips=3, layout="mafw", preset="easy", size=64, workers=1)
    samples = []
    for file in sorted((tmp_path / "mafw" / "truth").iterdir()):
        truth = json.loads(file.read_text())
        samples.append(sample(file.stem, tmp_path / "mafw" / truth["path"], len(truth["frames"])))
    cropped = crop_faces(samples, tmp_path / "faces", size=64)
    assert cropped.without_face == []
    for clip_id, record in cropped.records.items():
        truth = json.loads((tmp_path / "mafw" / "truth" / f"{clip_id}.json").read_text())
        boxes = [tuple(frame["box"][name] for name in ("x", "y", "width", "height")) for frame in truth["frames"]]
        (face,) = record.faces
        x, y, width, height = np.median(boxes, axis=0).tolist()
        assert overlap(FaceBox(*face.box, score=1.0), FaceBox(x, y, width, height, 1.0)) > 0.6
        assert record.face_share > 0.9


@needs_real
def test_a_real_clip_is_rotated_upright(tmp_path: Path) -> None:
    """The eyes of the leaning man are level in the crops."""
    choice = DetectorChoice(REAL / "models" / "yunet_n_640_640.onnx")
    video = REAL / "videos" / "two_faces_turning.gif"
    cropped = crop_faces([sample("turning", video, 56)], tmp_path / "faces", detector=choice)
    assert cropped.records["turning"].people == 2
    slopes = []
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    for frame in read_frames(cropped.samples[0].path)[10:]:
        face = max(detector.detect(frame), key=lambda box: box.score)
        assert face.landmarks is not None
        right, left = face.landmarks.right_eye, face.landmarks.left_eye
        slopes.append(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    assert abs(float(np.median(slopes))) < 5


def aligned(samples: list[Sample], folder: Path, detector: type[DiscDetector] = LandmarkDiscDetector) -> Cropped:
    return crop_faces(samples, folder, size=48, alignment="landmarks", detector=detector)


def test_landmarks_place_the_face_in_its_crops(videos: list[Sample], tmp_path: Path) -> None:
    cropped = aligned(videos, tmp_path / "faces")
    for frame in read_frames(tmp_path / "faces" / "moving"):
        (disc,) = DiscDetector().detect(frame)
        square = disc_square(FaceBox(0, 0, 25, 25, 0.9))
        assert disc.center[0] == pytest.approx(48 * (0.5 + (12.5 - square.x) / square.side), abs=1.5)
        assert disc.center[1] == pytest.approx(24, abs=1.5)
        assert disc.width == pytest.approx(48 * 25 / square.side, abs=2.5)
    assert [(r.alignment, r.landmark_share) for r in cropped.records.values()] == [("landmarks", 1), ("landmarks", 0)]
    assert (cropped.without_face, cropped.without_landmarks) == (["empty"], [])


def test_crops_of_another_alignment_are_made_again(videos: list[Sample], tmp_path: Path) -> None:
    crop(videos, tmp_path / "faces", size=48)
    before = stamps(tmp_path / "faces")
    crop_faces(videos, tmp_path / "faces", size=48, detector=DiscDetector)
    assert stamps(tmp_path / "faces") == before
    aligned(videos, tmp_path / "faces")
    assert stamps(tmp_path / "faces") != before
    after = stamps(tmp_path / "faces")
    aligned(videos, tmp_path / "faces")
    assert stamps(tmp_path / "faces") == after


def test_a_clip_without_landmarks_follows_the_box(videos: list[Sample], tmp_path: Path) -> None:
    cropped = aligned(videos[:1], tmp_path / "faces", DiscDetector)
    assert cropped.without_landmarks == ["moving"]
    (disc,) = DiscDetector().detect(read_frames(tmp_path / "faces" / "moving")[10])
    assert disc.center == pytest.approx((24, 24), abs=1.5)
    assert disc.width == pytest.approx(48 / DEFAULT_SIDE, abs=2)


def test_one_wrong_measurement_does_not_move_the_crops(tmp_path: Path) -> None:
    def moved(box: FaceBox) -> FaceBox:
        square = disc_square(box)
        return box._replace(landmarks=template_in(square._replace(x=square.x - 5, roll=20.0)))

    class OnceWrong(LandmarkDiscDetector):
        name = "once wrong"
        count = 0

        def detect(self, image: np.ndarray) -> list[FaceBox]:
            OnceWrong.count += 1
            boxes = super().detect(image)
            wrong = OnceWrong.count == 8
            return [moved(box) if wrong else box for box in boxes]

    still = sample("still", write_video(tmp_path / "still.mp4", disc_frames(50)), 50)
    aligned([still], tmp_path / "faces", OnceWrong)
    centres = [DiscDetector().detect(frame)[0].center for frame in read_frames(tmp_path / "faces" / "still")]
    assert OnceWrong.count > 10
    assert np.ptp(centres, axis=0) == pytest.approx([0, 0], abs=1.5)


def test_ids_that_mean_one_folder_are_refused(videos: list[Sample], tmp_path: Path) -> None:
    samples = [replace(videos[0], clip_id="x"), replace(videos[1], clip_id="./x")]
    with pytest.raises(InputError, match=r"clips 'x' and '\./x' would be one folder in .*; rename one"):
        crop(samples, tmp_path / "faces")
