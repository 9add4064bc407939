import numpy as np
import pytest

from ifdd.faces.appearance import LEVELS, hellinger_distance, person_appearance
from ifdd.faces.boxes import FaceBox

FACE = FaceBox(40.0, 30.0, 20.0, 24.0, 1.0)


def picture(colour: tuple[int, int, int]) -> np.ndarray:
    image = np.full((100, 100, 3), 90, np.uint8)
    image[20:80, 36:64] = colour
    return image


def test_an_appearance_holds_shares_of_colours() -> None:
    appearance = person_appearance(picture((250, 10, 10)), FACE)
    assert appearance.sum() == pytest.approx(1)
    assert appearance.reshape([LEVELS] * 3)[-1, 0, 0] == pytest.approx(1, abs=0.1)  # nearly all is red


def test_hellinger_distance_by_hand() -> None:
    half, quarter = np.array([0.5, 0.5], np.float32), np.array([0.25, 0.75], np.float32)
    expected = np.sqrt(((np.sqrt(half) - np.sqrt(quarter)) ** 2).sum() / 2)
    assert hellinger_distance(half, quarter) == pytest.approx(float(expected))
    assert hellinger_distance(half, half) == pytest.approx(0, abs=1e-3)
    assert hellinger_distance(np.array([1, 0], np.float32), np.array([0, 1], np.float32)) == 1


def test_the_same_clothes_are_close_and_others_are_not() -> None:
    red, dark_red, blue = (person_appearance(picture(c), FACE) for c in ((200, 30, 30), (190, 36, 36), (30, 30, 200)))
    assert hellinger_distance(red, dark_red) < 0.3
    assert hellinger_distance(red, blue) > 0.65


@pytest.mark.parametrize("corner", [(-30.0, -30.0), (95.0, 95.0), (300.0, -200.0)])
def test_faces_across_the_border_have_an_appearance(corner: tuple[float, float]) -> None:
    appearance = person_appearance(picture((9, 9, 9)), FACE._replace(x=corner[0], y=corner[1]))
    assert appearance.sum() == pytest.approx(1)
