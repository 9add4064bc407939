import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.errors import InputError
from ifdd.faces import detection as faces
from ifdd.faces.boxes import CROP_FACTOR, FaceBox, Landmarks, crop_face, intersection, overlap
from ifdd.faces.detection import (
    YUNET_FILE,
    YUNET_SHA256,
    HaarDetector,
    YuNetDetector,
    choose_detector,
    fetch_yunet,
    own_model,
)
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.story import StoryConfig, render_story
from ifdd.video.fitting import Fit
from ifdd.video.frames import read_frames
from tests.helpers.faces import REAL, needs_real
from tests.helpers.servers import serving_files
from tests.helpers.videos import moving_frames


@pytest.fixture(scope="module")
def portrait() -> tuple[np.ndarray, FaceBox]:
    """A drawn person in a wide picture, and the truth about where the face is."""
    _, shots = render_story(["neutral"], PRESETS["easy"], 0, StoryConfig(seconds=1.5, fps=1.0))
    picture, truth = next(iter(shots))
    return picture, FaceBox(**truth["box"], score=1.0)


@pytest.fixture(scope="module")
def yunet() -> YuNetDetector:
    if not REAL.is_dir():
        pytest.skip("the detector's model file is not on this machine")
    return YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")


def test_overlap_agrees_with_counted_pixels() -> None:
    """An independent way: paint boxes on whole pixels and count them."""
    rng = np.random.default_rng(3)
    for a, b in rng.integers(0, 12, (50, 2, 4)).astype(float).tolist():
        masks = np.zeros((2, 24, 24), bool)
        for mask, (x, y, width, height) in zip(masks, (a, b), strict=True):
            mask[int(y) : int(y + height), int(x) : int(x + width)] = True
        shared, union = np.logical_and(*masks).sum(), np.logical_or(*masks).sum()
        assert intersection(tuple(a), tuple(b)) == shared
        assert overlap(FaceBox(a[0], a[1], a[2], a[3], 1.0), tuple(b)) == pytest.approx(shared / max(union, 1))


def test_a_detector_knows_its_model_file(yunet: YuNetDetector) -> None:
    assert yunet.sha256 == YUNET_SHA256
    assert [own_model(detector) for detector in (yunet, HaarDetector())] == [None, None]
    yunet_of_ones_own = copy(yunet)
    yunet_of_ones_own.sha256 = "ab" * 32
    assert own_model(yunet_of_ones_own) == "ab" * 32


def test_haar_finds_the_drawn_face(portrait: tuple[np.ndarray, FaceBox]) -> None:
    picture, truth = portrait
    best = max(HaarDetector().detect(picture), key=lambda box: box.score)
    assert overlap(best, truth) > 0.5
    assert 0.5 <= best.score <= 1


@pytest.mark.parametrize("scale", [0.4, 2.5])
def test_boxes_are_in_pixels_of_the_input_image(portrait: tuple[np.ndarray, FaceBox], scale: float) -> None:
    picture, truth = portrait
    scaled = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    best = max(HaarDetector().detect(scaled), key=lambda box: box.score)
    expected = FaceBox(scale * truth.x, scale * truth.y, scale * truth.width, scale * truth.height, 1.0)
    assert overlap(best, expected) > 0.5


def test_nothing_is_detected_in_a_plain_image() -> None:
    assert HaarDetector().detect(np.full((60, 80, 3), 128, np.uint8)) == []


def test_yunet_gives_landmarks_inside_the_face(yunet: YuNetDetector, portrait: tuple[np.ndarray, FaceBox]) -> None:
    picture, truth = portrait
    best = max(yunet.detect(picture), key=lambda box: box.score)
    assert overlap(best, truth) > 0.5
    assert best.landmarks is not None
    assert best.landmarks.right_eye[0] < best.landmarks.nose[0] < best.landmarks.left_eye[0]
    assert best.landmarks.right_eye[1] < best.landmarks.nose[1] < best.landmarks.right_mouth[1]


@needs_real
def test_both_engines_find_the_same_faces(portrait: tuple[np.ndarray, FaceBox]) -> None:
    runtime, opencv = (YuNetDetector(REAL / "models" / YUNET_FILE, runtime=runtime) for runtime in (True, False))
    assert (runtime.engine, opencv.engine) == ("ONNX Runtime", "OpenCV")
    (people,) = read_frames(REAL / "images")
    sizes = [(640, 360), (333, 217), (150, 400), (90, 60)]  # YuNet's maps need multiples of 32 pixels
    pictures = [cv2.resize(image, size) for image in (people, portrait[0]) for size in sizes]
    counts = []
    for picture in [people, portrait[0], np.zeros((48, 64, 3), np.uint8), *pictures]:
        ours, theirs = runtime.detect(picture), opencv.detect(picture)
        counts.append(len(ours))
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert a.landmarks is not None
            assert b.landmarks is not None
            assert np.ravel(a.landmarks) == pytest.approx(np.ravel(b.landmarks), abs=0.01)
            assert a[:5] == pytest.approx(b[:5], abs=0.01)
    assert counts[0] >= 5
    assert counts[2] == 0


@needs_real
def test_without_onnx_runtime_opencv_detects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "has_onnx_runtime", lambda: False)
    assert YuNetDetector(REAL / "models" / YUNET_FILE).engine == "OpenCV"


def test_yunet_and_haar_agree_on_real_faces(yunet: YuNetDetector) -> None:
    (image,) = read_frames(REAL / "images")
    by_yunet, by_haar = yunet.detect(image), HaarDetector().detect(image)
    people = [box for box in by_yunet if box.score > 0.8]
    assert len(people) == len(by_haar) == 5
    for person in people:
        other = max(by_haar, key=lambda box: overlap(box, person))
        assert overlap(other, person) > 0.7


@pytest.mark.parametrize("name", ["yunet", "haar"])
def test_a_detector_is_thread_safe(
    name: str, portrait: tuple[np.ndarray, FaceBox], request: pytest.FixtureRequest
) -> None:
    detector = request.getfixturevalue("yunet") if name == "yunet" else HaarDetector()
    pictures = [cv2.resize(portrait[0], size, interpolation=cv2.INTER_AREA) for size in ((320, 180), (200, 160))]
    expected = [detector.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(detector.detect, 15 * pictures)) == 15 * expected


@needs_real
def test_a_file_that_is_not_yunet_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes((REAL / "models" / "yunet_n_640_640.onnx").read_bytes()[:200_000])
    with pytest.raises(InputError, match=r"OpenCV cannot read .*cut\.onnx as a YuNet model"):
        YuNetDetector(cut)
    assert capfd.readouterr().err == ""


def test_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    with pytest.raises(InputError, match=r"OpenCV cannot read .*text\.onnx as a YuNet model"):
        YuNetDetector(text)
    with pytest.raises(InputError, match=r"face detector model .*absent\.onnx does not exist; give the path"):
        YuNetDetector(tmp_path / "absent.onnx")


def gradient(height: int, width: int) -> np.ndarray:
    """Red increases by 1 per column, green by 1 per row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


@given(st.floats(60, 140), st.floats(60, 140), st.floats(20, 60), st.floats(20, 60), st.sampled_from([8, 32, 96, 112]))
def test_a_crop_shows_the_square_around_the_box(x: float, y: float, width: float, height: float, size: int) -> None:
    crop = crop_face(gradient(200, 200), FaceBox(x - width / 2, y - height / 2, width, height, 1.0), size)
    side = CROP_FACTOR * max(width, height)
    centers = (np.arange(size) + 0.5) / size * side - side / 2 - 0.5
    assert crop.shape == (size, size, 3)
    np.testing.assert_allclose(crop[size // 2, :, 0], x + centers, atol=1.1)
    np.testing.assert_allclose(crop[:, size // 2, 1], y + centers, atol=1.1)


def test_a_crop_beyond_the_image_repeats_the_border() -> None:
    crop = crop_face(gradient(50, 60), FaceBox(-30.0, -30.0, 60.0, 60.0, 1.0), 32)
    assert (crop[0, 0] == (0, 0, 0)).all()
    outside = crop_face(gradient(50, 60), FaceBox(500.0, 500.0, 20.0, 20.0, 1.0), 16)
    assert (outside == (59, 49, 0)).all()


def test_reduction_averages_pixels() -> None:
    checks = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    crop = crop_face(np.repeat(checks[..., None], 3, axis=2), FaceBox(50.0, 50.0, 150.0, 150.0, 1.0), 32)
    assert np.abs(crop.astype(int) - 127).max() < 20


def test_a_rolled_head_is_shown_upright() -> None:
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (120, 120, 3), dtype=np.uint8), (0, 0), 2)
    box = FaceBox(40.0, 36.0, 36.0, 40.0, 1.0)
    x, y = box.center[0] - 0.5, box.center[1] - 0.5  # in OpenCV's coordinates a pixel's centre is whole
    leaning = cv2.warpAffine(picture, cv2.getRotationMatrix2D((x, y), -20.0, 1.0), (120, 120))
    upright, crop = crop_face(picture, box, 32), crop_face(leaning, box, 32, roll=20.0)
    assert np.abs(upright.astype(int) - crop).mean() < 2
    assert np.abs(upright.astype(int) - crop_face(leaning, box, 32)).mean() > 5


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A file on a local server in place of YuNet, its URL, and an empty cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "www").mkdir()
    file = tmp_path / "www" / YUNET_FILE
    file.write_bytes(b"a model")
    monkeypatch.setattr(faces, "YUNET_SHA256", hashlib.sha256(b"a model").hexdigest())
    with serving_files(tmp_path / "www") as address:
        yield file, f"{address}/{YUNET_FILE}"


def test_yunet_is_downloaded_once_and_again_when_damaged(served: tuple[Path, str], tmp_path: Path) -> None:
    _, url = served
    told: list[str] = []
    path = fetch_yunet(told.append, url)
    assert path == tmp_path / "torch" / "hub" / "checkpoints" / YUNET_FILE
    assert path.read_bytes() == b"a model"
    assert len(told) == 1
    assert url in told[0]
    assert fetch_yunet(told.append, url) == path
    assert len(told) == 1
    path.write_bytes(b"damaged")
    assert fetch_yunet(told.append, url).read_bytes() == b"a model"
    assert len(told) == 2


def test_a_download_with_another_hash_is_refused_and_removed(served: tuple[Path, str], tmp_path: Path) -> None:
    file, url = served
    file.write_bytes(b"another model")
    with pytest.raises(
        InputError, match=r"cannot download .*invalid hash value.*fetch the file in another way and give its path"
    ):
        fetch_yunet(lambda line: None, url)
    assert not list((tmp_path / "torch").rglob("*.onnx"))


@pytest.mark.parametrize("what", ["absent file", "no server", "no network"])
def test_without_a_network_haar_is_used_with_a_notice(served: tuple[Path, str], what: str) -> None:
    url = {
        "absent file": served[1] + ".not",
        "no server": "http://127.0.0.1:9/x.onnx",
        "no network": "http://nowhere.invalid/x.onnx",
    }[what]
    told: list[str] = []
    assert choose_detector(None, told.append, url)().name == "haar"
    assert told[-1].startswith(f"notice: cannot download {url}")
    assert "Haar" in told[-1]


def test_the_detector_can_be_chosen(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setenv("IFDD_OFFLINE", "1")
    assert choose_detector(None, told.append, kind="haar")().name == "haar"
    assert told == []  # neither network nor notice
    with pytest.raises(InputError, match=r"IFDD_OFFLINE forbids it; .* with --detector-model, or use haar"):
        choose_detector(None, told.append, served[1], "yunet")
    with pytest.raises(InputError, match=r"haar does not use YuNet's file a\.onnx; leave one of them out"):
        choose_detector("a.onnx", told.append, kind="haar")


def test_a_missing_model_file_is_an_error(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(InputError, match=r"face detector model .*absent\.onnx does not exist"):
        choose_detector(tmp_path / "absent.onnx", told.append)()
    assert told == []


@needs_real
def test_the_public_file_is_yunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = (REAL / "models" / YUNET_FILE).as_uri()
    assert choose_detector(None, lambda line: None, url)().name == "yunet"


@needs_real
def test_faces_in_narrow_images_are_finite() -> None:
    sliver = np.ascontiguousarray(moving_frames(1, 4, 1001)[0, :3])
    for box in YuNetDetector(REAL / "models" / YUNET_FILE).detect(sliver):
        assert np.isfinite(box[:5]).all()


def test_a_box_that_is_placed_keeps_all_but_its_place() -> None:
    box = FaceBox(1.0, 2.0, 3.0, 4.0, 0.9, Landmarks(*((float(x), 5.0) for x in range(5))), 170.0, 0.7)
    placed = box.placed(Fit(2.0, 10.0, 20.0))
    assert placed[:4] == (12.0, 24.0, 6.0, 8.0)
    assert placed.landmarks == tuple((2.0 * x + 10, 30.0) for x in range(5))
    assert (placed.score, placed.turn, placed.certainty) == (0.9, 170.0, 0.7)
    assert placed.placed(Fit(2.0, 10.0, 20.0).inverse) == box
