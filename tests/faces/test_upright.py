"""Faces and cameras that are turned."""

import math

import cv2
import numpy as np
import pytest

from ifdd.faces.alignment import BoxAligner, LandmarkAligner, align_face
from ifdd.faces.boxes import FaceBox, Landmarks, crop_square, wrap_degrees
from ifdd.faces.detection import YuNetDetector
from ifdd.faces.landmarks import head_roll
from ifdd.faces.upright import FaceSearch, turn_upright
from ifdd.faces.upright.turns import TurnVote, detect_turned
from ifdd.inference import Recognizer
from tests.helpers.faces import REAL, needs_real


class Pretender:
    """Like YuNet: finds a magenta head with a green hair spot any way up, but invents landmarks beyond 60 degrees."""

    name = "pretender"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        red, green, blue = np.moveaxis(image.astype(int), 2, 0)
        head = ((np.minimum(red, blue) > 120) | (green > 120)).astype(np.uint8)
        _, _, parts, centres = cv2.connectedComponentsWithStats(head)
        faces = []
        for (x, y, width, height, area), middle in zip(parts[1:], centres[1:], strict=True):
            if area < 60:
                continue
            own = green[y : y + height, x : x + width] > 120
            if not own.any():
                continue
            spot = np.array(np.nonzero(own))[::-1].mean(1) + np.array((x, y)) - middle
            angle = math.degrees(math.atan2(spot[0], -spot[1]))
            real = abs(angle) <= 60
            across = 0.2 * width * np.exp(1j * math.radians(0.85 * angle if real else 0.0))
            down = across * 1j
            points = [complex(*middle) + point for point in (-across - down / 2, across - down / 2, down / 4)]
            points += [complex(*middle) + down - across * 0.8, complex(*middle) + down + across * 0.8]
            landmarks = Landmarks(*((point.real, point.imag) for point in points))
            score = 0.95 - abs(angle) / 400 if real else 0.75
            faces.append(FaceBox(float(x), float(y), float(width), float(height), score, landmarks))
        return faces


def scene(angle: float, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """Return a picture of a head that is turned clockwise."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    x, y = 170, 115
    cv2.circle(image, (x, y), 30, (220, 20, 220), -1)
    spot = (round(x + 22 * math.sin(math.radians(angle))), round(y - 22 * math.cos(math.radians(angle))))
    cv2.circle(image, spot, 7, (20, 230, 20), -1)
    return image


@pytest.mark.parametrize("angle", [0.0, 90.0, 120.0, 135.0, 180.0, -90.0])
def test_a_turned_head_is_cropped_upright(angle: float) -> None:
    image, detector = scene(angle), Pretender()
    search = FaceSearch(detector)
    for number in range(6):
        (face,) = search.search(image, number * 0.12)
    assert abs(wrap_degrees(face.turn - angle)) <= 30
    assert face.certainty > 0.9
    for aligner in (BoxAligner(detector), LandmarkAligner(detector)):
        crop = crop_square(image, aligner.update(image, face, 0.0), 64)
        down, across = np.nonzero(crop[..., 1] > 120)
        assert down.mean() < 24, angle  # the hair is at the top
        assert 20 < across.mean() < 44


def test_a_head_that_hardly_leans_is_left_to_its_landmarks() -> None:
    (face,) = FaceSearch(Pretender()).search(scene(15.0), 0.0)
    assert face.turn == 0.0
    assert face.landmarks is not None
    assert head_roll(face.landmarks) == pytest.approx(0.85 * 15, abs=3)


def test_the_camera_is_turned_as_most_faces_are_and_a_photograph_is_too() -> None:
    detector = Pretender()
    search = FaceSearch(detector)
    search.search(scene(180.0), 0.0)
    assert search.camera == 180
    (face,) = search.search(scene(180.0), 0.1)
    assert face.center == pytest.approx((170, 115), abs=2)
    image = scene(180.0)
    upright = turn_upright(image, detector.detect(image)[0], detector)
    assert abs(wrap_degrees(upright.turn - 180)) <= 30
    crop = align_face(image, detector.detect(image)[0], detector, 64)
    assert np.nonzero(crop[..., 1] > 120)[0].mean() < 24


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_faces_found_in_a_turned_picture_lie_where_they_are(turn: int) -> None:
    image = scene(float(turn))
    (face,) = detect_turned(image, Pretender(), turn)
    assert face.center == pytest.approx((170, 115), abs=2)
    assert face.landmarks is not None
    assert head_roll(face.landmarks, face.turn) == pytest.approx(wrap_degrees(float(turn)), abs=4)


def test_contradictory_votes_are_not_certain() -> None:
    vote = TurnVote()
    odds = np.zeros(12)
    odds[[0, 6]] = 5.0, 6.5
    vote.add(odds)
    assert vote.result()[1] < 0.6


def test_a_detector_without_landmarks_leaves_faces_upright() -> None:
    class Blind(Pretender):
        finds_landmarks = False

        def detect(self, image: np.ndarray) -> list[FaceBox]:
            return [face._replace(landmarks=None) for face in super().detect(image)]

    (face,) = FaceSearch(Blind()).search(scene(180.0), 0.0)
    assert (face.turn, face.certainty) == (0.0, 1.0)


class Listener(Pretender):
    """Notes the sizes of the pictures that it searches."""

    def __init__(self) -> None:
        self.sides: list[int] = []

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        self.sides.append(max(image.shape[:2]))
        return super().detect(image)


def wide_scene(*heads: tuple[int, int, int]) -> np.ndarray:
    """Return a picture of upright heads, each with a place and a radius."""
    image = np.zeros((720, 1280, 3), np.uint8)
    for x, y, radius in heads:
        cv2.circle(image, (x, y), radius, (220, 20, 220), -1)
        cv2.circle(image, (x, y - 2 * radius // 3), radius // 4, (20, 230, 20), -1)
    return image


LARGE, OTHER, SMALL = (400, 360, 90), (900, 360, 90), (900, 300, 50)


def test_large_faces_that_are_known_are_searched_in_a_reduced_picture() -> None:
    detector = Listener()
    search = FaceSearch(detector, reduce=True)
    for number in range(12):
        (face,) = search.search(wide_scene(LARGE), 0.12 * number)
        assert face.center == pytest.approx(LARGE[:2], abs=4)
        assert face.height == pytest.approx(180, abs=8)
        assert face.fine == (number % 5 == 0)
    assert detector.sides.count(320) == 9
    assert detector.sides.count(1280) == 3  # at 0, 0.6 and 1.2 s


def test_landmarks_of_a_turned_head_are_fine_although_its_picture_was_reduced() -> None:
    """They come from a crop of the full picture."""
    image = cv2.resize(scene(50.0, (320, 180)), (1280, 720), interpolation=cv2.INTER_NEAREST)
    detector = Listener()
    search = FaceSearch(detector, reduce=True)
    for number in range(4):
        (face,) = search.search(image, 0.12 * number)
        assert abs(face.turn - 50) <= 20
        assert face.fine
    assert detector.sides.count(1280) == 1


@pytest.mark.parametrize("after", [(LARGE, OTHER), (OTHER,)])
def test_a_face_that_appears_or_vanishes_is_noticed_at_once(after: tuple[tuple[int, int, int], ...]) -> None:
    detector = Listener()
    search = FaceSearch(detector, reduce=True)
    search.search(wide_scene(LARGE), 0.0)
    faces = search.search(wide_scene(*after), 0.12)
    assert {round(face.center[0], -2) for face in faces} == {head[0] for head in after}
    assert detector.sides.count(1280) == 2


def test_a_small_face_is_found_within_half_a_second_and_then_searched_in_full() -> None:
    detector = Listener()
    search = FaceSearch(detector, reduce=True)
    found = [len(search.search(wide_scene(LARGE, *[SMALL] * (number > 0)), 0.12 * number)) for number in range(12)]
    assert found[5:] == [2] * 7, found
    assert detector.sides.count(1280) >= 8


def test_pictures_are_not_reduced_unless_asked_for() -> None:
    detector = Listener()
    search = FaceSearch(detector)
    for number in range(4):
        (face,) = search.search(wide_scene(LARGE), 0.12 * number)
        assert face.fine
    assert 320 not in detector.sides


def test_a_shot_boundary_is_searched_in_full() -> None:
    detector = Listener()
    search = FaceSearch(detector, reduce=True)
    search.search(wide_scene(LARGE), 0.0)
    search.search(wide_scene(LARGE), 0.12, boundary=True)
    assert detector.sides.count(1280) == 2


@needs_real
@pytest.mark.parametrize("name", ["upsidedown.mp4", "sideways.mp4"])
def test_a_real_video_with_a_turned_camera_is_read_upright(name: str) -> None:
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    recognition = Recognizer.from_checkpoint("ifdd_face", detector).recognize(REAL / "awkward" / name)
    (track,) = recognition.tracks
    assert [segment.label for segment in track.segments] == ["happy"]
    assert any("turned by" in notice for notice in recognition.video.notices)


@needs_real
def test_a_photograph_beside_a_real_living_face_is_uncertain() -> None:
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    recognition = Recognizer.from_checkpoint("ifdd_face", detector).recognize(REAL / "awkward" / "profile_photo.mp4")
    labels = [[(segment.label, segment.flaw) for segment in track.segments] for track in recognition.tracks]
    assert sorted(labels) == [[("happy", "")], [("uncertain", "still")]]
