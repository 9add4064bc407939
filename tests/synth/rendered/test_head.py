"""The head's geometry: what action units move, and what is derived from the surface."""

import numpy as np
import pytest

from ifdd.synth.behaviour.action_units import ACTION_UNITS, activation_of, no_activation
from ifdd.synth.rendered.head import GAINS, Head
from ifdd.synth.rendered.mesh import (
    LANDMARK_VERTICES,
    SURROUNDINGS,
    WIDE_LEAST,
    WIDE_SHARE,
    HeadMesh,
    Points,
)
from ifdd.synth.rendered.units import UNIT_SHAPES, limit_weights, shape_weights

INNER_BROWS, OUTER_BROWS, UPPER_LIDS, LOWER_LIDS = [21, 22], [17, 26], [37, 38, 43, 44], [40, 41, 46, 47]
CORNERS, NOSTRILS, UPPER_LIP, LOWER_LIP, CHIN = [48, 54], [31, 35], [50, 51, 52], [56, 57, 58], [8]


@pytest.fixture(scope="module")
def head(mesh: HeadMesh) -> Head:
    return Head(mesh, np.random.default_rng(1))


def moved(head: Head, units: dict[int, float]) -> np.ndarray:
    """Return the motion of the landmarks in centimetres."""
    shown = head.surface(activation_of(units), (0.0, 0.0)).points[LANDMARK_VERTICES]
    return np.asarray(shown - head.rest.points[LANDMARK_VERTICES])


@pytest.mark.parametrize(
    ("number", "points", "axis", "sign"),
    [
        (1, INNER_BROWS, 1, 1),
        (2, OUTER_BROWS, 1, 1),
        (4, INNER_BROWS, 1, -1),
        (5, UPPER_LIDS, 1, 1),
        (7, LOWER_LIDS, 1, 1),
        (9, NOSTRILS, 1, 1),
        (10, UPPER_LIP, 1, 1),
        (12, CORNERS, 1, 1),
        (15, CORNERS, 1, -1),
        (16, LOWER_LIP, 1, -1),
        (17, LOWER_LIP, 1, 1),
        (18, UPPER_LIP, 2, 1),
        (22, UPPER_LIP, 2, 1),
        (25, LOWER_LIP, 1, -1),
        (26, CHIN, 1, -1),
        (27, CHIN, 1, -1),
        (43, UPPER_LIDS, 1, -1),
        (45, UPPER_LIDS, 1, -1),
    ],
)
def test_units_move_the_face_as_facs_says(number: int, points: list[int], axis: int, sign: int, head: Head) -> None:
    assert (sign * moved(head, {number: 1.0})[points, axis] > 0.05).all()


def test_brows_are_drawn_together_and_lips_are_stretched(head: Head) -> None:
    together, wide, narrow = (moved(head, {number: 1.0}) for number in (4, 20, 18))
    assert together[21, 0] > 0.1 > -0.1 > together[22, 0]
    assert wide[54, 0] > 0.1 > -0.1 > wide[48, 0]
    assert narrow[48, 0] > 0.1 > -0.1 > narrow[54, 0]
    assert moved(head, {27: 1.0})[8, 1] < 1.8 * moved(head, {26: 1.0})[8, 1]


@pytest.mark.parametrize("number", ACTION_UNITS)
def test_every_unit_has_shapes_that_exist(number: int, mesh: HeadMesh) -> None:
    names = [name.format(side=side) for name in UNIT_SHAPES[number] for side in "LR"]
    assert all(name in mesh.expression_row or name.startswith("furrow_") for name in names)


def test_a_side_moves_alone(head: Head) -> None:
    activation = no_activation()
    activation[0] = activation_of({12: 1.0})[0]  # the half at the left of the picture
    shown = head.surface(activation, (0.0, 0.0)).points[LANDMARK_VERTICES]
    motion = np.linalg.norm(shown - head.rest.points[LANDMARK_VERTICES], axis=1)
    assert motion[48] > 5 * motion[54]


def test_the_neutral_activation_is_the_face_at_rest(head: Head) -> None:
    shown = head.surface(no_activation(), (0.0, 0.0))
    np.testing.assert_allclose(shown.points, head.rest.points, atol=1e-5)


def test_no_person_s_jaw_opens_further_than_the_shape_allows(mesh: HeadMesh) -> None:
    open_jaw = mesh.expression[mesh.expression_row["jawOpen"]]
    chin = LANDMARK_VERTICES[8]
    furthest = float(np.linalg.norm(open_jaw[chin]))
    for seed in range(12):
        head = Head(mesh, np.random.default_rng(seed))
        moved = head.surface(activation_of({27: 1.0, 26: 1.0}), (0.0, 0.0)).points[chin] - head.rest.points[chin]
        assert np.linalg.norm(moved) <= furthest + 1e-3


def test_closed_eyes_are_not_widened() -> None:
    weights = shape_weights(activation_of({5: 1.0, 7: 1.0, 45: 1.0}), (0.0, 0.0))
    assert weights["eyeWide_L"] == 0
    limit_weights(weights)
    assert weights["eyeBlink_L"] == 1


@pytest.mark.parametrize(
    ("gaze", "names"),
    [((10.0, 0.0), ("Out_L", "In_R")), ((-10.0, 0.0), ("In_L", "Out_R")), ((0.0, 9.0), ("Down_L", "Down_R"))],
)
def test_eyes_look_where_the_gaze_points(gaze: tuple[float, float], names: tuple[str, str]) -> None:
    weights = shape_weights(no_activation(), gaze)
    assert {name for name, weight in weights.items() if name.startswith("eyeLook") and weight > 0} == {
        f"eyeLook{name}" for name in names
    }


def test_normals_and_hollows_agree_with_a_slow_computation(head: Head) -> None:
    points, triangles = head.rest.points, head.mesh._geometry
    rng = np.random.default_rng(0)
    face = np.unique(head.mesh.source[head.mesh.parts["face"]])
    for vertex in rng.choice(np.unique(triangles), 20, replace=False):
        around = triangles[(triangles == vertex).any(axis=1)]
        corners = points[around].astype(float)
        total = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(axis=0)
        normal = total / np.linalg.norm(total)
        np.testing.assert_allclose(head.rest.normals[vertex], normal, atol=1e-3)
        neighbours = np.setdiff1d(around, [vertex])
        depth = float((points[neighbours].mean(axis=0) - points[vertex]) @ normal)
        if vertex not in face:
            assert head.rest.hollows[vertex] == pytest.approx(depth, abs=2e-3)
            continue
        near = np.linalg.norm(head.mesh.neutral[face] - head.mesh.neutral[vertex], axis=1) < SURROUNDINGS
        wide = float((points[face[near]].mean(axis=0) - points[vertex]) @ normal)
        # The surroundings are a sample of the vertices that are near.
        assert head.rest.hollows[vertex] == pytest.approx(depth + WIDE_SHARE * max(wide - WIDE_LEAST, 0), abs=0.06)


def test_eye_sockets_are_hollow_and_cheeks_are_not(head: Head) -> None:
    points = head.mesh.neutral[LANDMARK_VERTICES]
    face = np.unique(head.mesh.source[head.mesh.parts["face"]])

    def hollow_at(place: Points) -> float:
        nearest = face[np.argsort(np.linalg.norm(head.mesh.neutral[face] - place, axis=1))[:12]]
        return float(head.rest.hollows[nearest].mean())

    socket = (points[21] + points[39]) / 2
    cheek = (points[2] + points[31]) / 2
    assert hollow_at(socket) > hollow_at(cheek) + 0.1


def test_people_move_differently_far_but_close_their_eyes_alike(mesh: HeadMesh) -> None:
    heads = [Head(mesh, np.random.default_rng(seed)) for seed in range(12)]
    gains = np.array([[head._gains["browDown_L"], head._gains["jawOpen"]] for head in heads])
    assert (gains >= GAINS[0]).all()
    assert (gains <= GAINS[1]).all()
    assert gains.std(axis=0).min() > 0.05
    assert all(head._gains["browDown_L"] == head._gains["browDown_R"] for head in heads)
    assert not any(name.startswith(("eyeBlink", "eyeLook")) for name in heads[0]._gains)


def test_a_frown_lowers_the_inner_ends_of_the_brows_most(head: Head) -> None:
    frown = head.surface(activation_of({4: 1.0}), (0.0, 0.0)).points - head.rest.points
    for inner, outer in ((21, 18), (22, 25)):
        assert frown[LANDMARK_VERTICES[inner], 1] < 1.5 * frown[LANDMARK_VERTICES[outer], 1] < 0


def test_brows_lie_lower_and_mouths_are_wider_than_the_average_heads(mesh: HeadMesh) -> None:
    def measure(points: Points) -> tuple[float, float]:
        marks = points[LANDMARK_VERTICES]
        return float(marks[17:27, 1].mean() - marks[36:48, 1].mean()), float(marks[54, 0] - marks[48, 0])

    height, width = measure(mesh.neutral)
    people = np.array([measure(Head(mesh, np.random.default_rng(seed)).neutral) for seed in range(40)])
    assert height - 0.6 < people[:, 0].mean() < height - 0.2
    assert width * 1.03 < people[:, 1].mean() < width * 1.15
    assert people[:, 0].max() > height - 0.1  # high brows remain
    assert people.std(axis=0).min() > 0.15


def test_people_differ_and_repeat(mesh: HeadMesh, head: Head) -> None:
    again, other = Head(mesh, np.random.default_rng(1)), Head(mesh, np.random.default_rng(2))
    assert np.array_equal(again.neutral, head.neutral)
    assert np.abs(other.neutral - head.neutral).max() > 0.3
