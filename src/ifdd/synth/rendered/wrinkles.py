"""Wrinkles: folds of the skin that action units deepen, and that age leaves behind.

Each fold is a relief on the face's texture (places by FACS's descriptions of the units); at every moment, the reliefs
are added up by the intensities of the units and become slopes and depth for the shader.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float16, Float32

from ifdd.synth.behaviour.action_units import UNIT_COLUMN, Activation
from ifdd.synth.rendered.atlas import SIDE, Atlas, Layer, blurred, noise

RELIEF_SIDE = 192
"""Side of the relief in pixels."""

CROSSING = 14.0
"""Width in pixels of the face's middle, where the folds of both halves overlap."""


LAYOUTS = 8
"""Number of different layouts of the folds; faces that all fold in the same places teach a model a template."""

SHIFT = 2.5
"""Deviation in pixels of the texture of a fold's points from the average face's."""


LASTING, LARGEST_LASTING = 0.15, 0.5
"""Probability that a fold stays in a face at rest of any age, and its largest depth then."""

DEEPEST = 0.5
"""Depth that folds approach where several meet, or where a unit deepens the fold of an old face; deeper ones look
painted."""


class Fold(NamedTuple):
    """A fold on the half at the left of the picture; the other half has its mirror image."""

    relief: Layer
    """Depth of the fold, 0 to 1."""
    units: dict[int, float]
    """Unit -> depth that it causes at intensity 1."""
    age: float
    """Depth at rest of the oldest face."""


class Wrinkles:
    """The wrinkles of one person.

    Args:
        atlas: places on the texture.
        age: 0, young, to 1, old.
        strength: factor on the depth of all folds.
        rng: random source of the person.
    """

    def __init__(self, atlas: Atlas, age: float, strength: float, rng: np.random.Generator) -> None:
        folds, sides = _shared_folds(atlas, int(rng.integers(LAYOUTS)))
        self._folds, self._sides = folds, sides
        self._strength = strength * (0.5 + 0.5 * age) * np.clip(np.exp(rng.normal(0, 0.5, len(folds))), 0.2, 2.0)
        aged = np.array([0.95 * fold.age * max(age - 0.15, 0) for fold in folds])
        lasting = rng.uniform(0, LARGEST_LASTING, len(folds)) * (rng.random(len(folds)) < LASTING)
        self._aged = np.asarray(np.maximum(aged, lasting), np.float32)

    def relief(self, activation: Activation) -> Float16[np.ndarray, "side side 4"]:
        """Return slope along u and v, depth, and 0, with v = 1 in the last row."""
        depths = np.empty((2, len(self._folds)), np.float32)
        for side in range(2):
            for row, fold in enumerate(self._folds):
                moved = sum(
                    weight * float(activation[side, UNIT_COLUMN[number]]) for number, weight in fold.units.items()
                )
                depths[side, row] = self._strength[row] * min(moved, 1.2) + self._aged[row]
        flat = depths.reshape(-1) @ self._sides.reshape(2 * len(self._folds), -1)
        depth = DEEPEST * np.tanh(flat.reshape(RELIEF_SIDE, RELIEF_SIDE) / DEEPEST)
        result = np.zeros((RELIEF_SIDE, RELIEF_SIDE, 4), np.float16)
        result[..., 0] = -0.8 * cv2.Sobel(depth, cv2.CV_32F, 1, 0)
        result[..., 1] = 0.8 * cv2.Sobel(depth, cv2.CV_32F, 0, 1)
        result[..., 2] = depth
        return np.ascontiguousarray(result[::-1])


@lru_cache(maxsize=LAYOUTS)
def _shared_folds(atlas: Atlas, layout: int) -> tuple[tuple[Fold, ...], Float32[np.ndarray, "2 folds side side"]]:
    folds = tuple(_folds(atlas, np.random.default_rng([5, layout])))
    middle = 1 / (1 + np.exp((atlas.x - SIDE / 2) / CROSSING))
    small = (RELIEF_SIDE, RELIEF_SIDE)
    sides = np.zeros((2, len(folds), *small), np.float32)
    for row, fold in enumerate(folds):
        whole = np.maximum(fold.relief, fold.relief[:, ::-1])
        for side, half in enumerate((middle, 1 - middle)):
            sides[side, row] = cv2.resize(whole * half, small, interpolation=cv2.INTER_AREA)
    return folds, sides


def _folds(atlas: Atlas, rng: np.random.Generator) -> Iterator[Fold]:
    point = atlas.landmarks
    inner, middle, outer = point[21], point[19], point[17]
    root, wing, corner = point[27], point[31], point[48]
    eye_out, eye_in = point[36], point[39]
    centre = SIDE / 2

    def lines(*paths: Any, width: float = 2.0, soft: float = 2.6) -> Layer:
        wider, softer = rng.uniform(0.7, 1.5), rng.uniform(0.8, 2.0)
        drawn = [path for path in paths if rng.random() < 0.8] or paths[:1]
        moved = [np.array(path, float) + rng.normal(0, SHIFT, (len(path), 2)) for path in drawn]
        total = sum(_profile(atlas, path, width * wider, soft * softer) for path in moved)
        return np.asarray(total, np.float32)

    # Between the brows.
    glabella = [
        [(inner[0] + 12, inner[1] + 38), (inner[0] + 9, inner[1] + 22), (inner[0] + 11, inner[1] + 4)],
        [(inner[0] - 1, inner[1] + 22), (inner[0] - 3, inner[1] + 12), (inner[0] + 2, inner[1] + 1)],
    ]
    yield Fold(lines(*glabella, soft=2.4), {4: 0.95, 9: 0.4}, 0.35)
    # Across the root of the nose.
    root_lines = [
        [(centre - 15, root[1] - 4 - step), (centre - 7, root[1] - 8 - step), (centre + 2, root[1] - 8 - step)]
        for step in (-8.0, 2.0)
    ]
    yield Fold(lines(*root_lines, soft=2.2), {9: 0.8, 4: 0.15}, 0.15)
    # Up the sides of the nose.
    bunny = [
        [(centre - 12, root[1] + 24), (centre - 20, root[1] + 16)],
        [(centre - 14, root[1] + 36), (centre - 24, root[1] + 27)],
    ]
    yield Fold(lines(*bunny, soft=2.2), {9: 0.8, 10: 0.15}, 0.0)
    # Forehead.
    # Lines of unit 1 cross the middle; both ends of the others differ.
    for unit, across, spread in (
        (1, (centre + 4, inner[0] - 26), (0, 16)),
        (2, (inner[0] - 20, outer[0] + 14), (16, 16)),
    ):
        heights = middle[1] - rng.uniform(22, 34) - np.cumsum([0.0, *rng.uniform(10, 18, 2)])
        levels = []
        for height in heights:
            start, end = np.array(across) + rng.uniform(-1, 1, 2) * spread
            levels.append([(start, height), ((start + end) / 2, height - rng.uniform(-4, 8)), (end, height + 2)])
        yield Fold(lines(*levels, width=2.2, soft=4.0), {unit: 0.5}, 0.35)
    # From the wing of the nose around the mouth.
    fold = [
        (wing[0] - 6, wing[1] - 10),
        (wing[0] - 24, wing[1] + 14),
        (corner[0] - 20, corner[1] - 14),
        (corner[0] - 22, corner[1] + 14),
    ]
    yield Fold(lines(fold, width=3.0, soft=4.0), {12: 0.8, 10: 0.75, 9: 0.6, 6: 0.3, 20: 0.3, 15: 0.2}, 0.85)
    # Crow's feet, and below the lower lid.
    feet = [[(eye_out[0] - 10, eye_out[1] + dy), (eye_out[0] - 32, eye_out[1] + 2.6 * dy)] for dy in (-6.0, 0.0, 6.0)]
    yield Fold(lines(*feet, width=1.6, soft=2.2), {6: 0.7, 12: 0.1, 7: 0.15}, 0.45)
    bag = [
        (eye_out[0] + 4, eye_out[1] + 13),
        ((eye_out[0] + eye_in[0]) / 2, eye_out[1] + 18),
        (eye_in[0] - 2, eye_in[1] + 12),
    ]
    yield Fold(lines(bag, width=2.2, soft=3.0), {6: 0.5, 7: 0.45, 9: 0.3}, 0.5)
    # Below and beside the corners of the mouth.
    drop = [(corner[0] - 7, corner[1] + 8), (corner[0] - 11, corner[1] + 24), (corner[0] - 15, corner[1] + 44)]
    yield Fold(lines(drop, width=3.0, soft=5.0), {15: 0.45, 17: 0.15}, 0.4)
    dimple = [(corner[0] - 11, corner[1] - 9), (corner[0] - 13, corner[1] + 2), (corner[0] - 11, corner[1] + 11)]
    yield Fold(lines(dimple, width=2.2, soft=2.8), {14: 0.8, 12: 0.3, 24: 0.2}, 0.1)
    # Chin: the fold below the lip, and its dimpled skin.
    lip, chin = point[57], point[8]
    below = [(centre - 26, lip[1] + 14), (centre - 10, lip[1] + 10), (centre + 4, lip[1] + 9)]
    yield Fold(lines(below, width=2.8, soft=3.4), {17: 0.6, 15: 0.25, 16: 0.2}, 0.15)
    dimpled = 0.2 * noise(rng, SIDE // 5) + 0.12 * noise(rng, SIDE // 12)
    yield Fold(
        np.asarray(dimpled * atlas.spot((centre, lip[1] + 0.55 * (chin[1] - lip[1]) + 6), 26.0, 15.0), np.float32),
        {17: 0.8},
        0.0,
    )


def _profile(atlas: Atlas, points: Float[np.ndarray, "points 2"], width: float, soft: float) -> Layer:
    """Return a fold along points of the left half: a valley with bulges on both sides, fading at its ends."""
    valley = atlas.line(points, width, soft)
    broad = blurred(valley, 2.2 * soft)
    peak = float(valley.max()) or 1.0
    profile = (valley - 0.9 * broad) / peak
    length = float(np.linalg.norm(points[-1] - points[0])) / 2 + 8
    middle = points.mean(axis=0)
    fade = np.exp(-0.5 * ((np.hypot(atlas.x - middle[0], atlas.y - middle[1]) / (1.15 * length)) ** 4))
    return np.asarray(1.5 * profile * fade, np.float32)
