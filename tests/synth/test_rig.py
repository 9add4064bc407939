"""The rooms of SynthDFER that every rig shares."""

from pathlib import Path

import numpy as np
import pytest

import ifdd.synth
from ifdd.synth.drawn.hair import BEARD_OPACITY
from ifdd.synth.identity import BEARDS
from ifdd.synth.rig import face_truth


def test_only_the_choice_of_the_rig_and_the_hand_import_the_drawn_one() -> None:
    room = Path(ifdd.synth.__file__).parent
    files = (file for file in room.rglob("*.py") if "drawn" not in file.relative_to(room).parts)
    assert {file.stem for file in files if "ifdd.synth.drawn" in file.read_text(encoding="utf-8")} == {"rigs", "render"}


def test_every_beard_can_be_painted() -> None:
    assert set(BEARD_OPACITY) == set(BEARDS) - {"none"}


@pytest.mark.parametrize(
    ("corner", "box", "outside"),
    [
        ((10, 20), (10, 20, 40, 60), 0),
        ((-10, 20), (0, 20, 30, 60), 0.25),
        ((70, 20), (70, 20, 30, 60), 0.25),
        ((10, -30), (10, 0, 40, 30), 0.5),
        ((80, 90), (80, 90, 20, 30), 0.75),
        ((-50, 20), (0, 20, 0, 60), 1),
    ],
)
def test_the_box_is_the_part_of_the_face_within_the_picture(
    corner: tuple[int, int], box: tuple[int, ...], outside: float
) -> None:
    extent = np.array([corner, (corner[0] + 40, corner[1] + 60)], float)
    truth = face_truth(np.zeros((68, 2)), extent, (120, 100))
    assert (truth.box, truth.outside) == (box, outside)
