"""Action units as sums of ICT-FaceKit's expression shapes, and as wrinkles.

The weights at intensity 1 were set by eye against FACS's descriptions; ``browDown`` alone
lowers the middle of the brow more than its inner end, so a furrow of our own joins it for unit 4, and the lowered brows
form a V. ``{side}`` stands for L or R.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from ifdd.synth.behaviour.action_units import UNIT_COLUMN, Activation
from ifdd.synth.rendered.mesh import LANDMARK_VERTICES, HeadMesh, Points

SIDES = ("R", "L")
"""ICT-FaceKit's names of the rows of an activation: the half at the left of the picture is the person's right."""

UNIT_SHAPES: dict[int, dict[str, float]] = {
    1: {"browInnerUp_{side}": 1.5},
    2: {"browOuterUp_{side}": 1.05},
    4: {"browDown_{side}": 1.0, "noseSneer_{side}": 0.15, "furrow_{side}": 1.9},
    5: {"eyeWide_{side}": 1.25},
    6: {"cheekSquint_{side}": 0.9, "cheekRaiser_{side}": 0.7, "eyeSquint_{side}": 0.3},
    7: {"eyeSquint_{side}": 1.3, "eyeBlink_{side}": 0.1},
    9: {
        "noseSneer_{side}": 1.05,
        "cheekRaiser_{side}": 0.35,
        "eyeSquint_{side}": 0.4,
        "browDown_{side}": 0.35,
        "furrow_{side}": 0.25,
    },
    10: {"mouthUpperUp_{side}": 0.75, "mouthShrugUpper": 0.25, "noseSneer_{side}": 0.2},
    12: {"mouthSmile_{side}": 1.35, "mouthDimple_{side}": 0.1, "mouthStretch_{side}": 0.12},
    14: {"mouthDimple_{side}": 1.0},
    15: {"mouthFrown_{side}": 1.15},
    16: {"mouthLowerDown_{side}": 0.85},
    17: {"mouthShrugLower": 0.95, "mouthShrugUpper": 0.15},
    18: {"mouthPucker": 0.9},
    20: {"mouthStretch_{side}": 1.05},
    22: {"mouthFunnel": 0.9},
    23: {"mouthPress_{side}": 0.6, "mouthRollLower": 0.25, "mouthRollUpper": 0.25},
    24: {"mouthPress_{side}": 1.1, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    25: {"mouthLowerDown_{side}": 0.4, "mouthUpperUp_{side}": 0.25, "jawOpen": 0.05},
    26: {"jawOpen": 0.4},
    27: {"jawOpen": 0.95},
    43: {"eyeBlink_{side}": 1.0},
    45: {"eyeBlink_{side}": 1.0},
}
"""FACS number -> shape -> weight at intensity 1. A shape of both sides takes the mean of the sides."""

LARGEST_WEIGHT = {"jawOpen": 1.0, "eyeBlink": 1.0, "eyeSquint": 1.3, "mouthRollLower": 0.5, "mouthRollUpper": 0.5}
"""Shape, without its side -> largest sensible weight."""

LOOK_DEGREES = 30.0
"""Turn of the eye in degrees at weight 1 of the shapes eyeLook*."""


def furrow_shapes(mesh: HeadMesh) -> dict[str, Points]:
    """Return what ``browDown`` lacks of unit 4, by side: the inner brow down and inwards, a bulge between the brows."""
    points = mesh.neutral
    inner = {"R": points[LANDMARK_VERTICES[21]], "L": points[LANDMARK_VERTICES[22]]}
    root = points[LANDMARK_VERTICES[27]]
    shapes = {}
    for side, brow in inner.items():
        outward = 1.0 if side == "L" else -1.0
        half = 1 / (1 + np.exp(-outward * points[:, 0] / 0.35))
        front = (points[:, 2] > 6).astype(np.float32)
        near = np.exp(-(((points - brow) / (1.9, 1.1, 3.0)) ** 2).sum(axis=1) / 2) * front
        between = np.exp(-(((points - (brow + root) / 2 * (0.0, 1.0, 1.0)) / (0.9, 1.1, 3.0)) ** 2).sum(axis=1) / 2)
        shift = near[:, None] * (-0.22 * outward, -0.36, 0.04) + (between * front)[:, None] * (0.0, -0.05, 0.16)
        shift[mesh.model.neutral[:, 2] < 0] = 0
        shapes[f"furrow_{side}"] = np.asarray(shift * half[:, None], np.float32)
    return shapes


def shape_weights(activation: Activation, gaze: tuple[float, float]) -> dict[str, float]:
    """Return the weight of every expression shape.

    Args:
        activation: intensities of the action units.
        gaze: yaw (right of the picture positive) and pitch (down positive) of the eyes in degrees.
    """
    weights: dict[str, float] = {}
    for number, shapes in UNIT_SHAPES.items():
        for row, side in enumerate(SIDES):
            intensity = float(activation[row, UNIT_COLUMN[number]])
            for name, weight in shapes.items():
                share = 1.0 if "{side}" in name else 0.5
                shape = name.format(side=side)
                weights[shape] = weights.get(shape, 0.0) + share * weight * intensity
    for row, side in enumerate(SIDES):
        _settle(weights, side, activation[row])
    for name, weight in _looks(gaze):
        weights[name] = weights.get(name, 0.0) + weight
    return weights


def limit_weights(weights: dict[str, float]) -> None:
    """Reduce the weights of shapes that would go too far, such as an open jaw, however far a person's face moves."""
    for shape, most in LARGEST_WEIGHT.items():
        for name in (shape, f"{shape}_L", f"{shape}_R"):
            if name in weights:
                weights[name] = min(weights[name], most)


def _settle(weights: dict[str, float], side: str, activation: Float32[np.ndarray, " units"]) -> None:
    """Resolve shapes that pull the same skin in opposite directions."""
    raised, lids = float(activation[UNIT_COLUMN[1]]), min(weights[f"eyeBlink_{side}"], 1.0)
    # Brows that are drawn together while they are raised do not bulge.
    weights[f"furrow_{side}"] *= 1 - 0.7 * min(raised, 1.0)
    weights[f"browDown_{side}"] *= 1 - 0.5 * min(raised, 1.0)
    weights[f"eyeWide_{side}"] *= 1 - lids
    weights[f"eyeSquint_{side}"] *= 1 - 0.8 * lids


def _looks(gaze: tuple[float, float]) -> Iterator[tuple[str, float]]:
    yaw, pitch = gaze[0] / LOOK_DEGREES, gaze[1] / LOOK_DEGREES
    for side, outward in (("L", 1.0), ("R", -1.0)):
        yield f"eyeLook{'Out' if outward * yaw > 0 else 'In'}_{side}", abs(yaw)
        yield f"eyeLook{'Down' if pitch > 0 else 'Up'}_{side}", abs(pitch)
