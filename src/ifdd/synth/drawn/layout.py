"""The layout of the face: contours of brows, eyes, nose and mouth, moved by the action units.

All points are (x, y) in head units on the frontal face. The displacements are linear in the intensities, except for a
few interactions described by FACS (4 limits how far 1 lifts the brow, 45 closes an eye that 5 opened, 24 keeps the lips
of 25 closed).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ifdd.synth.behaviour.action_units import UNIT_COLUMN, Activation
from ifdd.synth.drawn.drawing import Points
from ifdd.synth.drawn.geometry import Profile, heights, jaw_shift
from ifdd.synth.drawn.mouth import Mouth, make_mouth
from ifdd.synth.identity import Identity
from ifdd.synth.rig import CHIN, FOREHEAD

EYE_X, EYE_Y = 0.295, -0.10
NOSE_BASE = 0.285
IRIS = 0.068

EQUIVALENTS = ((22, 18, 0.6), (22, 25, 0.9), (27, 26, 1.2), (27, 25, 1.0), (43, 45, 1.0))
"""A unit, a unit that draws it, and the intensity of the latter at full intensity of the former."""


@dataclass(frozen=True)
class Eye:
    """One eye: contour of the opening, and the iris."""

    upper: Points
    """Upper lid margin from left to right in the picture, 5 control points."""
    lower: Points
    """Lower lid margin with the same corners."""
    crease: Points
    """Crease of the upper lid."""
    bag: Points
    """Furrow below the lower lid."""
    iris: tuple[float, float]
    """Centre of the iris."""
    opening: float
    """0: closed; about 1: open at rest."""


@dataclass(frozen=True)
class Layout:
    """The features of a face at one moment."""

    brows: tuple[Points, Points]
    """Centre lines from the inner to the outer end, of the left and the right brow in the picture."""
    eyes: tuple[Eye, Eye]
    nose_wing: tuple[tuple[float, float], tuple[float, float]]
    nose_tip: tuple[float, float]
    mouth: Mouth


def pair(activation: Activation, number: int) -> tuple[float, float]:
    """Return the intensities of one unit in the left and the right half of the picture."""
    column = UNIT_COLUMN[number]
    return float(activation[0, column]), float(activation[1, column])


def both(activation: Activation, number: int) -> float:
    """Return the mean intensity of one unit over both halves."""
    return sum(pair(activation, number)) / 2


def drawn_activation(activation: Activation) -> Activation:
    """Return the activation in the units that are drawn; without units 22, 27 and 43 it is the same.

    The lips of 22 are those of 18, parted; the jaw of 27 drops farther than that of 26; the lids of 43 are closed like
    those of 45.
    """
    if not activation[:, [UNIT_COLUMN[number] for number, _, _ in EQUIVALENTS]].any():
        return activation
    drawn = activation.copy()
    for number, unit, factor in EQUIVALENTS:
        column = drawn[:, UNIT_COLUMN[unit]]
        np.maximum(column, factor * activation[:, UNIT_COLUMN[number]], out=column)
    return drawn


def make_layout(identity: Identity, activation: Activation, gaze: tuple[float, float]) -> Layout:
    """Return the features at one moment; ``gaze`` is yaw and pitch of the eyes in the head, in degrees."""
    sides = [{number: float(activation[side, column]) for number, column in UNIT_COLUMN.items()} for side in (0, 1)]
    left, right = sides
    eyes = (_eye(identity, left, -1, gaze), _eye(identity, right, 1, gaze))
    wings = tuple(
        (
            sign * (0.155 * identity.nose_width + 0.012 * side[9] + 0.01 * side[12]),
            NOSE_BASE - 0.045 + identity.nose_length - 0.04 * side[9] - 0.015 * side[10],
        )
        for sign, side in ((-1, left), (1, right))
    )
    tip = (0.0, NOSE_BASE - 0.06 + identity.nose_length - 0.01 * (left[9] + right[9]))
    return Layout(
        (_brow(identity, left, -1), _brow(identity, right, 1)),
        eyes,
        (wings[0], wings[1]),
        tip,
        make_mouth(identity, left, right),
    )


def _brow(identity: Identity, u: dict[int, float], sign: int) -> Points:
    arch, up = identity.brow_arch, -0.35 - identity.brow_height
    x = np.array([0.105, 0.20, 0.31, 0.42, 0.515])
    y = up + np.array([0.03, 0.008, -0.012, -0.005, 0.05]) * np.array([1, 1, 1 + arch, 1 + 1.5 * arch, 1])
    lowered = u[4] * (1 - 0.45 * u[1])
    y = y + u[1] * np.array([-0.135, -0.105, -0.045, -0.005, 0.012])
    y = y + u[2] * np.array([-0.01, -0.03, -0.085, -0.125, -0.095])
    y = y + lowered * np.array([0.115, 0.095, 0.065, 0.035, 0.005]) + u[9] * np.array([0.05, 0.035, 0.02, 0.01, 0])
    x = x - u[4] * np.array([0.05, 0.04, 0.02, 0.01, 0]) - u[9] * np.array([0.015, 0.01, 0, 0, 0])
    return np.stack([sign * x, y], axis=1)


def _eye(identity: Identity, u: dict[int, float], sign: int, gaze: tuple[float, float]) -> Eye:
    size = identity.eye_size
    centre_x, centre_y = sign * (EYE_X + identity.eye_spacing), EYE_Y
    half = 0.152 * size
    tilt = identity.eye_tilt
    looking_down = float(np.clip(gaze[1] / 30, -0.6, 0.8))
    top = 0.088 * size * identity.eye_openness
    top *= (
        1
        + 0.52 * u[5]
        - 0.30 * u[7] * (1 - 0.5 * u[5])
        - 0.22 * u[6]
        - 0.28 * u[9]
        - 0.12 * u[4] * (1 - u[5])
        - 0.35 * max(looking_down, 0)
        + 0.1 * max(-looking_down, 0)
    )
    bottom = 0.052 * size * (1 + 0.12 * u[5] + 0.6 * max(looking_down, 0))
    bottom *= max(0.1, 1 - 0.55 * u[7] - 0.60 * u[6] - 0.40 * u[9] - 0.15 * u[12] * u[6])
    meet = 0.6 * bottom + 0.012
    top = top * (1 - u[45]) - meet * u[45]
    bottom = bottom * (1 - u[45]) + meet * u[45]
    inner_peak = 0.06 * u[1] - 0.02 * u[4]
    shape = np.array([0.0, 0.78 + inner_peak * 3, 1.0, 0.80 - 2.0 * inner_peak, 0.0])
    x = np.array([-half, -0.55 * half, 0.02, 0.58 * half, half])  # inner to outer corner
    corner = np.array([0.012, 0.006, 0.0, -0.5 * tilt, -tilt])
    upper = np.stack([sign * x, corner - top * shape], axis=1)
    lower_shape = np.array([0.0, 0.72, 1.0, 0.92, 0.0])
    lower = np.stack([sign * x, corner + bottom * lower_shape], axis=1)
    crease_height = identity.lid_crease * (1 + 0.3 * u[1] + 0.5 * u[45] - 0.6 * u[4] * (1 - u[1]) - 0.3 * u[5])
    resting = 0.088 * size * identity.eye_openness
    crease = np.stack(
        [sign * x * 1.04, corner - (max(top, 0.55 * resting) * shape + crease_height * np.array([0.3, 1, 1, 1, 0.5]))],
        axis=1,
    )
    lift = 0.035 * u[6] + 0.02 * u[7]
    bag = np.stack(
        [
            sign * x * np.array([0.85, 1, 1, 1, 0.95]),
            corner + 0.052 * size * lower_shape + np.array([0.03, 0.055, 0.065, 0.055, 0.02]) - lift,
        ],
        axis=1,
    )
    origin = np.array([centre_x, centre_y])
    iris = (centre_x + 0.0035 * gaze[0], centre_y - 0.012 + 0.0035 * gaze[1])
    if sign < 0:
        upper, lower, crease, bag = (points[::-1] for points in (upper, lower, crease, bag))
    return Eye(
        upper + origin, lower + origin, crease + origin, bag + origin, iris, float((top + bottom) / (0.14 * size))
    )


def landmarks(layout: Layout, identity: Identity, profile: Profile) -> Float[np.ndarray, "landmarks=68 2"]:
    """Return the 68 landmarks of the iBUG 300-W scheme, as frontal face points."""
    y = heights()
    chin = CHIN + identity.chin + float(jaw_shift(np.array([CHIN]), layout.mouth.jaw)[0])
    jaw_y = np.array([-0.10, 0.10, 0.28, 0.46, 0.62, 0.76, 0.87, 0.94, 1.0]) * chin / 1.0
    jaw_y[-1] = chin
    jaw_x = np.interp(jaw_y, y, profile.width) * np.array([0.995] * 7 + [0.98, 0])
    contour = np.concatenate([np.stack([-jaw_x, jaw_y], 1), np.stack([jaw_x, jaw_y], 1)[-2::-1]])
    brows = np.concatenate([layout.brows[0][::-1], layout.brows[1]])
    tip_y, (left_wing, right_wing) = layout.nose_tip[1], layout.nose_wing
    bridge = np.stack([np.zeros(4), np.linspace(EYE_Y - 0.02, tip_y - 0.01, 4)], axis=1)
    base_x = np.linspace(left_wing[0] * 0.75, right_wing[0] * 0.75, 5)
    base = np.stack(
        [base_x, np.array([left_wing[1] + 0.035, tip_y + 0.065, tip_y + 0.08, tip_y + 0.065, right_wing[1] + 0.035])],
        axis=1,
    )
    eyes = [np.concatenate([eye.upper[[0, 1, 3, 4]], eye.lower[[3, 1]]]) for eye in layout.eyes]
    mouth = layout.mouth
    outer = np.concatenate([mouth.outer_upper, mouth.outer_lower[5:0:-1]])
    # The scheme's inner corners lie slightly inside the outer ones.
    left, right = (mouth.inner_upper[[end]] * 0.94 + mouth.inner_upper[[3]] * 0.06 for end in (0, 6))
    inner = np.concatenate([left, mouth.inner_upper[[2, 3, 4]], right, mouth.inner_lower[[4, 3, 2]]])
    return np.concatenate([contour, brows, bridge, base, *eyes, outer, inner])


def box_points(contour: Points) -> Float[np.ndarray, "extremes 2"]:
    """Return the face points whose extent in the picture is the face box: jaw contour and upper forehead."""
    forehead = np.array([[-0.3, FOREHEAD], [0.0, FOREHEAD], [0.3, FOREHEAD]])
    return np.concatenate([contour[:17], forehead])
