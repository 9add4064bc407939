import cv2
import numpy as np
import pytest

from ifdd.faces.alignment import HeadRoll, LandmarkAligner, face_aligner
from ifdd.faces.boxes import CropSquare, FaceBox, Landmarks, box_square
from ifdd.faces.detection import YuNetDetector
from ifdd.faces.similarity import default_square
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.story import StoryConfig, render_story
from tests.helpers.faces import REAL, DiscDetector, needs_real, template_in

IMAGE = np.zeros((200, 200, 3), np.uint8)


class LeaningFace:
    """Finds a face in the middle of every image with a roll of ``degrees`` relative to the crop."""

    name = "leaning"

    def __init__(self) -> None:
        self.degrees = 0.0
        self.searches = 0

    def box(self, degrees: float) -> FaceBox:
        down = 20 * np.tan(np.radians(degrees))
        eyes = ((90.0, 90.0 - down / 2), (110.0, 90.0 + down / 2))
        return FaceBox(70.0, 60.0, 60.0, 80.0, 0.9, Landmarks(*eyes, (100.0, 100.0), (90.0, 115.0), (110.0, 115.0)))

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        self.searches += 1
        return []  # none in the crop: the landmarks of the whole image are used


def test_the_roll_is_measured_at_once_and_regularly_and_followed_smoothly() -> None:
    detector = LeaningFace()
    roll = HeadRoll(detector)
    assert roll.update(IMAGE, detector.box(10), 0.0) == pytest.approx(10)
    angles = [roll.update(IMAGE, detector.box(20), i / 25) for i in range(1, 51)]
    assert detector.searches == 4  # at 0, 0.32, 0.64 and, because the head keeps still, 1.84 s
    assert angles[-1] == pytest.approx(20, abs=0.01)
    assert max(np.diff([10, *angles])) < 3


@pytest.mark.parametrize(("degrees_a_second", "interval"), [(2, 1.2), (5, 0.8), (13, 0.32)])
def test_the_roll_of_a_head_that_tilts_is_measured_more_often(degrees_a_second: float, interval: float) -> None:
    detector = LeaningFace()
    roll = HeadRoll(detector)
    for i in range(100):
        landmarks = template_in(CropSquare(100, 100, 37, degrees_a_second * i / 25))
        roll.update(IMAGE, FaceBox(85, 80, 30, 40, 0.9, landmarks), i / 25)
    assert detector.searches == pytest.approx(3 + (4 - 0.64) / interval, abs=1.1)


def test_without_landmarks_the_roll_stays_0() -> None:
    roll = HeadRoll(DiscDetector())
    assert [roll.update(IMAGE, FaceBox(10, 10, 50, 50, 0.9), i / 25) for i in range(30)] == [0.0] * 30


@needs_real
def test_the_roll_of_a_rotated_drawing_is_its_angle() -> None:
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    _, shots = render_story(["neutral"], PRESETS["easy"], 0, StoryConfig(seconds=1.5, fps=1.0))
    picture, truth = next(iter(shots))
    height, width = picture.shape[:2]
    turned = cv2.warpAffine(picture, cv2.getRotationMatrix2D((width / 2, height / 2), -25, 1.0), (width, height))
    face = max(detector.detect(turned), key=lambda box: box.score)
    expected = 25 + truth["pose"]["roll"]
    assert HeadRoll(detector).update(turned, face, 0.0) == pytest.approx(expected, abs=8)


def face_with(square: CropSquare, x: float = 100.0) -> FaceBox:
    """Return a box around (x, 100) with landmarks in a square, large enough to be fine in the whole image."""
    return FaceBox(x - 35, 55, 70, 90, 0.9, template_in(square))


def test_landmarks_are_followed_smoothly_and_move_with_the_box() -> None:
    aligner = LandmarkAligner(LeaningFace())
    first = CropSquare(103.0, 98.0, 90.0, 4.0)
    assert aligner.update(IMAGE, face_with(first), 0.0) == pytest.approx(first)
    moved = aligner.update(IMAGE, FaceBox(75, 55, 70, 90, 0.0), 0.04)
    assert moved == pytest.approx(first._replace(x=113)), "without landmarks, the crop moves with the box"
    second = CropSquare(100.0, 100.0, 80.0, -4.0)
    squares = [aligner.update(IMAGE, face_with(second), 0.04 + i / 25) for i in range(1, 51)]
    assert squares[-1] == pytest.approx(second, abs=0.01)
    assert max(abs(np.diff([s.roll for s in squares]))) < 4


def test_an_outlier_among_the_landmarks_hardly_moves_the_crop() -> None:
    aligner, usual = LandmarkAligner(LeaningFace()), CropSquare(100.0, 100.0, 85.0)
    outlier = usual._replace(x=120, roll=30)
    squares = [aligner.update(IMAGE, face_with(outlier if i == 6 else usual), i / 25) for i in range(12)]
    assert squares == [pytest.approx(usual, abs=1e-6)] * 12


def test_small_faces_are_searched_again_at_intervals_only() -> None:
    detector = LeaningFace()
    aligner = LandmarkAligner(detector)
    small = FaceBox(85, 80, 30, 40, 0.9, template_in(CropSquare(100, 100, 37)))
    for i in range(25):
        square = aligner.update(IMAGE, small, i / 25)
    assert detector.searches == 4
    assert square == pytest.approx((100, 100, 37, 0), abs=1e-6)


def test_landmarks_of_a_reduced_picture_do_not_move_the_crop_of_a_large_face() -> None:
    detector = LeaningFace()
    aligner, usual = LandmarkAligner(detector), CropSquare(100, 100, 85)
    aligner.update(IMAGE, face_with(usual), 0.0)
    rough = face_with(usual._replace(x=104, side=90))
    for i in range(1, 6):
        assert aligner.update(IMAGE, rough._replace(fine=False), 0.1 * i) == pytest.approx(usual)
    squares = [aligner.update(IMAGE, rough, 0.1 * i) for i in range(6, 30)]
    assert squares[-1] == pytest.approx(usual._replace(x=104, side=90), abs=0.01)
    assert detector.searches == 0


def test_without_landmarks_the_default_square_is_cropped() -> None:
    box = FaceBox(10, 10, 50, 60, 0.9)
    assert face_aligner("landmarks", DiscDetector()).update(IMAGE, box, 0.0) == pytest.approx(default_square(box))
    assert face_aligner("box", DiscDetector()).update(IMAGE, box, 0.0) == box_square(box)


def test_a_checkpoint_aligned_by_the_box_may_leave_faces_unrotated() -> None:
    box = LeaningFace().box(20)
    squares = [face_aligner("box", LeaningFace(), upright).update(IMAGE, box, 0.0) for upright in (True, False)]
    assert [square.roll for square in squares] == pytest.approx([20, 0])
