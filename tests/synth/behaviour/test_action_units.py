"""Every unit changes the face where it should; every class has a prototype."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.synth.behaviour.action_units import (
    ACTION_UNITS,
    PROTOTYPES,
    UNIT_COLUMN,
    activation_of,
    no_activation,
    sample_expression,
)
from ifdd.synth.drawn.portrait import PortraitRig
from ifdd.synth.identity import sample_identity
from ifdd.synth.rig import CROP_SIDE, FaceState, FaceTruth, Light, Pose

SIZE = 112
BROWS, EYES, NOSE, MOUTH = slice(17, 27), slice(36, 48), slice(27, 36), slice(48, 68)
REQUIRED = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 22, 23, 24, 25, 26, 27, 43, 45)


def light() -> Light:
    direction = np.array([-0.4, -0.5, 0.77])
    return Light(direction / np.linalg.norm(direction), np.full(3, 0.6), np.full(3, 0.4))


def draw(
    rig: PortraitRig, activation: np.ndarray, yaw: float = 0.0, gaze: tuple[float, float] = (0.0, 0.0)
) -> tuple[np.ndarray, FaceTruth]:
    picture = np.full((SIZE, SIZE, 3), 128, np.uint8)
    middle = SIZE / 2
    truth = rig.draw(picture, FaceState(activation, Pose(yaw, 0, 0, middle, middle, SIZE / CROP_SIDE), gaze, light()))
    return picture, truth


@pytest.fixture(scope="module")
def rig() -> PortraitRig:
    return PortraitRig(sample_identity(np.random.default_rng(5)), SIZE / CROP_SIDE)


@pytest.fixture(scope="module")
def rest(rig: PortraitRig) -> tuple[np.ndarray, FaceTruth]:
    return draw(rig, no_activation())


def test_the_required_units_exist() -> None:
    assert set(REQUIRED) <= set(ACTION_UNITS)
    assert list(UNIT_COLUMN) == list(ACTION_UNITS)


@pytest.mark.parametrize("number", ACTION_UNITS)
def test_every_unit_changes_the_picture(number: int, rig: PortraitRig, rest: tuple[np.ndarray, FaceTruth]) -> None:
    picture, _ = draw(rig, activation_of({number: 1.0}))
    changed = np.abs(picture.astype(int) - rest[0].astype(int)).max(axis=-1) > 12
    assert changed.sum() >= 25


@pytest.mark.parametrize("number", ACTION_UNITS)
def test_a_unit_of_one_side_changes_that_side_most(
    number: int, rig: PortraitRig, rest: tuple[np.ndarray, FaceTruth]
) -> None:
    activation = no_activation()
    activation[0, UNIT_COLUMN[number]] = 1.0
    picture, _ = draw(rig, activation)
    change = np.abs(picture.astype(int) - rest[0].astype(int)).sum(axis=(0, 2))
    middle = SIZE // 2
    if number in (16, 22, 25, 26, 27):  # the lips' middle and the jaw are one
        assert change.sum() > 0
    else:
        assert change[:middle].sum() > 1.2 * change[middle:].sum()


@pytest.mark.parametrize(
    ("number", "part", "axis", "sign"),
    [
        (1, slice(20, 24), 1, -1),  # inner brows up
        (2, [17, 18, 25, 26], 1, -1),  # outer brows up
        (4, slice(20, 24), 1, 1),  # inner brows down
        (5, [37, 38, 43, 44], 1, -1),  # upper lids up
        (6, [40, 41, 46, 47], 1, -1),  # lower lids up
        (7, [40, 41, 46, 47], 1, -1),
        (9, [31, 35], 1, -1),  # wings of the nose up
        (10, [50, 51, 52], 1, -1),  # upper lip up
        (12, [48, 54], 1, -1),  # corners up
        (15, [48, 54], 1, 1),  # corners down
        (16, [56, 57, 58], 1, 1),  # lower lip down
        (17, [56, 57, 58], 1, -1),  # lower lip up
        (18, [54], 0, -1),  # right corner inwards
        (20, [54], 0, 1),  # right corner outwards
        (22, [54], 0, -1),  # lips forward: right corner inwards
        (22, [65, 66, 67], 1, 1),  # and apart
        (23, [54], 0, -1),
        (24, [56, 57, 58], 1, -1),  # thinner lips
        (25, [65, 66, 67], 1, 1),  # lower lip away
        (26, [7, 8, 9], 1, 1),  # chin down
        (27, [7, 8, 9], 1, 1),
        (43, [37, 38, 43, 44], 1, 1),
        (45, [37, 38, 43, 44], 1, 1),  # upper lids down
    ],
)
def test_a_unit_moves_its_landmarks(
    number: int, part: list[int] | slice, axis: int, sign: int, rig: PortraitRig, rest: tuple[np.ndarray, FaceTruth]
) -> None:
    _, truth = draw(rig, activation_of({number: 1.0}))
    moved = (truth.landmarks - rest[1].landmarks)[part, axis]
    assert np.all(moved * sign > 0.3)


def test_a_stretched_mouth_is_wider_open_than_a_dropped_jaw(rig: PortraitRig) -> None:
    (_, stretched), (_, dropped) = draw(rig, activation_of({27: 1.0})), draw(rig, activation_of({25: 1.0, 26: 1.0}))
    gaps = [truth.landmarks[66, 1] - truth.landmarks[62, 1] for truth in (stretched, dropped)]
    assert gaps[0] > 1.1 * gaps[1]


def test_closed_eyes_look_like_a_blink(rig: PortraitRig) -> None:
    (closed, _), (blink, _) = draw(rig, activation_of({43: 1.0})), draw(rig, activation_of({45: 1.0}))
    assert np.array_equal(closed, blink)


def test_a_smile_leaves_the_brows_alone(rig: PortraitRig, rest: tuple[np.ndarray, FaceTruth]) -> None:
    _, truth = draw(rig, activation_of({12: 1.0, 25: 1.0}))
    assert np.allclose(truth.landmarks[BROWS], rest[1].landmarks[BROWS], atol=0.05)


def test_gaze_moves_the_irises(rig: PortraitRig, rest: tuple[np.ndarray, FaceTruth]) -> None:
    picture, _ = draw(rig, no_activation(), gaze=(15.0, 0.0))
    changed = np.argwhere(np.abs(picture.astype(int) - rest[0].astype(int)).max(axis=-1) > 25)
    eyes = rest[1].landmarks[EYES]
    low, high = eyes.min(axis=0) - 3, eyes.max(axis=0) + 3
    assert len(changed) >= 6
    assert np.all((changed[:, ::-1] >= low) & (changed[:, ::-1] <= high))


@pytest.mark.parametrize("yaw", [-30.0, -15.0, 15.0, 30.0])
def test_the_nose_leads_when_the_head_turns(yaw: float, rig: PortraitRig, rest: tuple[np.ndarray, FaceTruth]) -> None:
    picture, truth = draw(rig, no_activation(), yaw=yaw)
    shift = truth.landmarks[:, 0] - rest[1].landmarks[:, 0]
    assert np.sign(shift[30]) == np.sign(yaw)
    assert abs(shift[30]) > abs(shift[[0, 16]]).max()
    assert np.isfinite(truth.landmarks).all()
    assert picture.std() > 10


def test_every_class_has_a_prototype() -> None:
    names = {canonical_label(name) for names in LABEL_SETS.values() for name in names if "_" not in name}
    assert names == set(PROTOTYPES)
    for label, variants in PROTOTYPES.items():
        for variant in variants:
            assert set(variant.units) | set(variant.optional) <= set(ACTION_UNITS)
            assert (label == "neutral") == (not variant.units)


@given(label=st.sampled_from(sorted(PROTOTYPES)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_expressions_stay_within_their_prototype(label: str, seed: int) -> None:
    expression = sample_expression(label, np.random.default_rng(seed))
    activation = expression.activation
    assert activation.min() >= 0
    assert activation.max() <= 1
    shown = {number for number, column in UNIT_COLUMN.items() if activation[:, column].max() > 0}
    assert any(set(p.units) <= shown <= set(p.units) | set(p.optional) for p in PROTOTYPES[label])


def test_contempt_is_one_sided() -> None:
    for seed in range(8):
        activation = sample_expression("contempt", np.random.default_rng(seed)).activation
        left, right = activation[:, UNIT_COLUMN[14]]
        assert max(left, right) > 4 * min(left, right)


def test_people_differ_in_how_they_show_an_emotion() -> None:
    drawn = [sample_expression("angry", np.random.default_rng(seed)).activation for seed in range(10)]
    assert len({activation.tobytes() for activation in drawn}) == 10
