import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.faces.alignment import align_face, measure_square
from ifdd.faces.boxes import CropSquare, FaceBox, Landmarks, crop_square, cut_square
from ifdd.faces.detection import YuNetDetector
from ifdd.faces.main_face import most_prominent_face
from ifdd.faces.similarity import (
    DEFAULT_SIDE,
    TEMPLATE,
    default_square,
    fit_similarity,
    landmark_square,
    plausible_square,
)
from ifdd.video.images import decode_image, read_image_bytes
from tests.helpers.faces import REAL, DiscDetector, needs_real, template_in


def box_around(square: CropSquare) -> FaceBox:
    """Return a box whose default square has the same place and size."""
    width, height = 0.88 * square.side / DEFAULT_SIDE, square.side / DEFAULT_SIDE / 0.88
    return FaceBox(square.x - width / 2, square.y - height / 2, width, height, 0.9)


@pytest.mark.parametrize(
    "square", [CropSquare(50, 60, 80), CropSquare(-3.5, 400.25, 33.3, 41), CropSquare(9, 9, 2, -30)]
)
def test_the_square_of_moved_landmarks_is_recovered(square: CropSquare) -> None:
    assert landmark_square(template_in(square)) == pytest.approx(square, abs=1e-9)


def test_the_similarity_is_that_of_linear_least_squares() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        source, target = random.normal(size=(2, 5, 2))
        rows = [row for x, y in source for row in ([x, -y, 1, 0], [y, x, 0, 1])]
        a, b, across, down = np.linalg.lstsq(np.array(rows), target.ravel(), rcond=None)[0]
        factor, shift = fit_similarity(source, target)
        assert [factor.real, factor.imag, shift.real, shift.imag] == pytest.approx([a, b, across, down], abs=1e-9)


def test_a_crop_shows_a_dot_at_its_place_in_the_template() -> None:
    square = CropSquare(170.0, 140.0, 150.0, 25.0)
    points = template_in(square)
    for point, expected in zip(points, TEMPLATE, strict=True):
        image = np.zeros((300, 320, 3), np.uint8)
        cv2.circle(image, (round(point[0] - 0.5), round(point[1] - 0.5)), 4, (255, 255, 255), -1)
        crop = crop_square(image, square, 48)[..., 0].astype(float)
        down, across = (np.indices(crop.shape) + 0.5) / 48
        centre = (crop * across).sum() / crop.sum(), (crop * down).sum() / crop.sum()
        assert centre == pytest.approx(expected, abs=0.006)


def test_implausible_landmarks_are_refused() -> None:
    square = CropSquare(100, 100, 80, 10)
    box, points = box_around(square), template_in(square)
    assert plausible_square(points, box) == pytest.approx(square)
    assert plausible_square(None, box) is None
    assert plausible_square(Landmarks(*[(3.0, 3.0)] * 5), box) is None
    assert plausible_square(points._replace(nose=(160.0, 100.0)), box) is None, "not a face"
    assert plausible_square(template_in(square._replace(roll=75)), box) is None, "too steep"
    assert plausible_square(template_in(square._replace(side=140)), box) is None, "too large for the box"
    assert plausible_square(template_in(square._replace(x=140)), box) is None, "another face"
    assert plausible_square(Landmarks(*(points[i] for i in (1, 0, 2, 4, 3))), box) is None, "mirrored"


def test_a_face_without_landmarks_is_cropped_as_an_average_one() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    box = FaceBox(40, 30, 32, 50, 0.9)
    assert measure_square(image, box, DiscDetector()) is None
    expected = crop_square(image, CropSquare(56, 55, DEFAULT_SIDE * 40), 24)
    assert np.array_equal(align_face(image, box, DiscDetector(), 24), expected)


@needs_real
def test_photographs_are_aligned_alike_at_any_place_size_and_roll() -> None:
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    photographs = sorted((REAL / "expressions" / "happy").glob("*.jpg"))[:6]
    assert len(photographs) == 6
    for path in photographs:
        photograph = decode_image(read_image_bytes(path), path.name)
        crops, squares = [], []
        for side, roll, at in ((160, 0.0, 0), (110, 20.0, 140), (200, -15.0, 60)):
            turn = cv2.getRotationMatrix2D((80, 80), -roll, side / 160)
            turn = np.column_stack([turn[:, :2], turn[:, 2] + at + side / 2 - 80])
            image = cv2.warpAffine(photograph, turn, (360, 360), borderMode=cv2.BORDER_REPLICATE)
            face = most_prominent_face(detector.detect(image), 360, 360)
            assert face is not None
            square = measure_square(image, face, detector)
            assert square is not None
            back = cv2.invertAffineTransform(turn) @ [square.x, square.y, 1]
            squares.append([*back, square.side * 160 / side, square.roll - roll])
            crops.append(align_face(image, face, detector, 48).astype(float))
        assert np.ptp(squares, axis=0) == pytest.approx([0, 0, 0, 0], abs=10), path.name
        assert np.abs(crops[1] - crops[0]).mean() < 12


def test_the_default_square_is_centred_on_the_box_and_rolls() -> None:
    assert default_square(FaceBox(10, 20, 16, 25, 0.9), 5.0) == pytest.approx((18, 32.5, DEFAULT_SIDE * 20, 5))


@given(
    x=st.floats(-20, 140),
    y=st.floats(-20, 120),
    side=st.floats(4, 90),
    roll=st.floats(-180, 180),
    seed=st.integers(0, 9),
)
def test_the_part_of_an_image_that_is_cut_out_gives_the_same_crop(
    x: float, y: float, side: float, roll: float, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (100, 120, 3), np.uint8)
    square = CropSquare(x, y, side, roll)
    part, inside = cut_square(image, square)
    assert part.size <= 3 * (1.5 * side + 6) ** 2
    difference = crop_square(part, inside, 32).astype(int) - crop_square(image, square, 32)
    assert np.abs(difference).max() <= 16, "OpenCV rounds places to 1/32 pixel"
    assert np.abs(difference).mean() < 0.5


@pytest.mark.parametrize("turned", [False, True])
def test_faces_are_cropped_from_pictures_wider_or_higher_than_opencv_warps(turned: bool) -> None:
    small = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    large = np.zeros((40, 40_000, 3), np.uint8)
    large[:, 33_000:33_040] = small
    place = (20.0, 33_020.0) if turned else (33_020.0, 20.0)
    image = np.ascontiguousarray(large.swapaxes(0, 1)) if turned else large
    expected = crop_square(small.swapaxes(0, 1) if turned else small, CropSquare(20, 20, 30), 24)
    assert np.abs(crop_square(image, CropSquare(*place, 30), 24).astype(int) - expected).max() <= 16


def test_a_square_larger_than_opencv_warps_is_cropped() -> None:
    image = np.zeros((50_000, 2, 3), np.uint8)
    image[20_000:30_000] = 200
    crop = crop_square(image, CropSquare(1, 25_000, 40_000), 32)
    assert crop[:11].max() == crop[21:].max() == 0
    assert crop[13:19].min() == 200
