"""The lips: contours moved by the action units of the lower face."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ifdd.synth.drawn.drawing import Points
from ifdd.synth.drawn.geometry import jaw_shift
from ifdd.synth.identity import Identity

MOUTH_Y = 0.525
"""y of the closed mouth on the average face."""

SHARES = np.array([0.0, 0.2, 0.38, 0.5, 0.62, 0.8, 1.0])
"""Positions of the lip contours' control points between the corners."""

PARTED = 0.008
"""Opening above which the inside of the mouth is visible, in head units."""

Units = dict[int, float]


@dataclass(frozen=True)
class Mouth:
    """The lips: outer and inner contours from the left corner to the right."""

    outer_upper: Points
    inner_upper: Points
    inner_lower: Points
    outer_lower: Points
    gap: float
    """Height of the opening."""
    jaw: float
    teeth_lower: float
    """y of the upper teeth's edge."""


def make_mouth(identity: Identity, left: Units, right: Units) -> Mouth:
    """Return the mouth for the units of the left and the right half of the picture (unit -> intensity)."""
    u = {number: (left[number] + right[number]) / 2 for number in left}
    drop = float(jaw_shift(np.array([MOUTH_Y + 0.06]), u[26])[0])
    half = 0.245 * identity.mouth_width
    corners = np.stack([_corner(half, left, drop) * (-1, 1), _corner(half, right, drop)])
    upper, lower = _lip_lines(u, drop)
    # A smile pulls the corners away from the middle; a dropped jaw rounds the mouth.
    near = 0.52 - 0.12 * u[12] - 0.2 * u[26] * (1 - u[12])
    inner_upper = _between(corners, upper, np.array([1, near, 0.14, 0.05, 0.14, near, 1]))
    inner_upper[1:-1, 1] += (-0.002, -0.006, 0.006, -0.006, -0.002)
    for points, side in ((slice(1, 3), left), (slice(4, 6), right)):
        inner_upper[points, 1] -= 0.05 * (side[10] - u[10])
    inner_lower = _between(corners, lower, np.array([1, near - 0.1, 0.1, 0.04, 0.1, near - 0.1, 1]))
    # Closed lips touch along their whole length; parted, each has its own shape.
    inner_lower = np.maximum(inner_lower, inner_upper) if lower - upper > PARTED else inner_upper + np.array([0, 0.001])
    thin = 1 - 0.62 * u[24] - 0.5 * u[23] - 0.22 * u[12] - 0.2 * u[20] - 0.15 * u[10] + 0.35 * u[18]
    upper_height = 0.078 * identity.lip_upper * thin + 0.02 * u[18]
    lower_height = 0.098 * identity.lip_lower * (thin + 0.1 * u[17]) + 0.02 * u[18] + 0.02 * u[16]
    outer_upper, outer_lower = inner_upper.copy(), inner_lower.copy()
    outer_upper[1:-1, 1] -= upper_height * np.array([0.62, 1.06, 0.86, 1.06, 0.62])
    outer_lower[1:-1, 1] += lower_height * np.array([0.66, 0.98, 1.0, 0.98, 0.66])
    shown = 0.085 * (1 - 0.55 * u[26] * (1 - max(u[12], u[20])))
    return Mouth(
        outer_upper, inner_upper, inner_lower, outer_lower, lower - upper, u[26], min(upper + shown, lower + 0.02)
    )


def _corner(half: float, u: Units, drop: float) -> Float[np.ndarray, "2"]:
    """Return the right corner of a mouth with this half width at rest."""
    outwards = 0.085 * u[12] + 0.075 * u[20] + 0.015 * u[14]
    inwards = 0.015 * u[15] + 0.045 * u[23] + 0.02 * u[24] + 0.11 * u[18] + 0.055 * u[26] * (1 - u[20])
    down = 0.105 * u[15] + 0.03 * u[20] + 0.35 * drop - 0.115 * u[12] - 0.025 * u[14] - 0.03 * u[10] - 0.015 * u[9]
    return np.array([half + outwards - inwards, MOUTH_Y - 0.008 + down])


def _lip_lines(u: Units, drop: float) -> tuple[float, float]:
    """Return the y of the upper lip's lower edge and of the lower lip's upper edge, in the middle."""
    part = max(0.0, u[25] - 0.8 * u[24])
    lift = 0.075 * u[10] + 0.03 * u[9] + 0.02 * u[12] + 0.03 * u[17] - 0.01 * u[23]
    line = MOUTH_Y - lift * (0.75 + 0.25 * min(1.0, 4 * part))
    upper = line - part * (0.022 + 0.025 * u[12] + 0.4 * lift)
    # A lifted lip pulls the other along unless they part.
    free = min(1.0, 4 * part + 20 * drop + u[16])
    gap = part * (0.03 + 0.065 * u[12] + 0.04 * u[16] + 0.055 * u[20]) + 0.03 * u[16] + drop * (1 - 0.7 * u[24])
    gap -= 0.055 * u[17] * (1 - 0.5 * part) + 0.005 * u[24]
    return upper, max(upper, line + free * (MOUTH_Y - line) + gap)


def _between(corners: Float[np.ndarray, "2 2"], height: float, follow: Float[np.ndarray, " points"]) -> Points:
    """Return a contour between the corners; ``follow`` is each point's weight of the corner line over ``height``."""
    line = corners[0] + SHARES[:, None] * (corners[1] - corners[0])
    line[:, 1] = line[:, 1] * follow + height * (1 - follow)
    return line
