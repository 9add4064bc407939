"""The painting of a hand that occludes part of the face."""

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.synth.drawn.drawing import fill, mix, smooth, stroke
from ifdd.synth.identity import Colour
from ifdd.synth.rig import Light, Pose
from ifdd.synth.scene import HandCourse

FINGERS: tuple[tuple[float, float, float, float, float], ...] = (
    (-0.27, -0.05, -0.20, 0.40, 0.078),
    (-0.10, -0.15, -0.06, 0.52, 0.082),
    (0.08, -0.16, 0.06, 0.55, 0.082),
    (0.25, -0.08, 0.18, 0.48, 0.076),
)
"""Root x and y, lean, length and half width of each finger, in head units around the middle of the palm."""
THUMB = (-0.30, 0.25, -0.75, 0.36, 0.09)
"""The same of the thumb."""
PALM = (
    (-0.35, -0.05),
    (-0.33, 0.25),
    (-0.22, 0.52),
    (0.0, 0.58),
    (0.22, 0.52),
    (0.32, 0.2),
    (0.33, -0.08),
    (0.0, -0.20),
    (-0.35, -0.05),
)
"""Outline of the palm."""
ARM = ((-0.22, 0.2), (-0.24, 2.5), (0.24, 2.5), (0.22, 0.2))
"""Outline of the forearm."""


def draw_hand(
    picture: UInt8[np.ndarray, "h w 3"], course: HandCourse, time: float, skin: Colour, pose: Pose, light: Light
) -> float:
    """Draw the hand over the picture; return its presence (0 to 1)."""
    presence = course.presence(time)
    if presence <= 0:
        return 0.0
    away = (1 - presence) ** 2
    place = np.array(course.place) + away * np.array([course.side * 0.9, 1.5])
    level = [a + 0.75 * c for a, c in zip(light.ambient, light.colour, strict=True)]
    lit: Colour = (min(255.0, skin[0] * level[0]), min(255.0, skin[1] * level[1]), min(255.0, skin[2] * level[2]))
    turn = np.deg2rad(course.turn)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def px(points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        mirrored = points * (-course.side, 1)
        return np.asarray((mirrored @ matrix.T + place) * pose.scale + (pose.x, pose.y))

    dark, pale = mix(lit, (30, 10, 8), 0.45), mix(lit, (255, 235, 225), 0.14)
    line = 0.022 * pose.scale
    fill(picture, px(np.array(ARM)), mix(lit, (30, 10, 8), 0.12))
    palm = smooth(np.array(PALM), 40)
    fill(picture, px(palm), lit)
    stroke(picture, px(palm), dark, line)
    for x, y, lean, length, half in (THUMB, *FINGERS):
        outline = _finger(x, y, lean, length, half)
        fill(picture, px(outline), lit)
        stroke(picture, px(outline[2:-2]), dark, line)
        ridge = _finger(x, y, lean, length * 0.9, half * 0.35)
        fill(picture, px(ridge), pale)
        tip = _finger(x + lean * length * 0.78, y - length * 0.80, lean, length * 0.13, half * 0.52)
        fill(picture, px(tip), mix(pale, (255, 214, 208), 0.45))
        for share in (0.36, 0.64):
            middle, level_y = x + lean * length * share, y - length * share
            stroke(picture, px(np.array([(middle - 0.45 * half, level_y), (middle + 0.45 * half, level_y)])), dark, 1.0)
    return presence


def _finger(x: float, y: float, lean: float, length: float, half: float) -> Float[np.ndarray, "points 2"]:
    """Return the outline of a finger, from its root around the tip and back."""
    along = np.array([lean, -1.0]) / np.hypot(lean, 1)
    across = np.array([along[1], -along[0]])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    cap = np.outer(np.sin(angle), -across) * half * 0.86 + np.outer(np.cos(angle), along) * half * 0.9
    root, tip = np.array([x, y]), np.array([x, y]) + along * (length - half)
    knuckle = root + along * length * 0.5
    return np.concatenate(
        [[root + across * half, knuckle + across * half], cap + tip, [knuckle - across * half, root - across * half]]
    )
