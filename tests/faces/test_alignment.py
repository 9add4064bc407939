import cv2
import numpy as np
import pytest

from ifdd.faces.alignment import HeadRoll
from ifdd.faces.detection import FaceBox, Landmarks, YuNetDetector
from ifdd.synth.config import PRESETS
from ifdd.synth.story import StoryConfig, render_story
from tests.helpers.faces import REAL, DiscDetector, needs_real

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
    assert detector.searches == pytest.approx(2 / 0.3, abs=1.5)
    assert angles[-1] == pytest.approx(20, abs=0.01)
    assert max(np.diff([10, *angles])) < 3


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
